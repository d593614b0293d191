// The loop of the page: twice a second it asks what is new and draws it.
import { byId, get } from "./api.js";
import * as chat from "./chat.js";
import * as mass from "./mass.js";
import * as people from "./people.js";
import { chats, store } from "./store.js";
import * as strip from "./strip.js";
import * as world from "./world.js";

const BEAT = 500;
let round = 0;
let isAsking = false;

function remember() {
  const query = new URLSearchParams();
  if (store.person) query.set("person", store.person.id);
  if (store.address) query.set("account", store.address);
  history.replaceState(null, "", `?${query}`);
}

function openChat(address) {
  store.address = address;
  chat.clear();
  remember();
  document.body.dataset.view = "phone";
  beat();
}

function choose(id) {
  store.person = store.people.find((one) => one.id === id) || null;
  store.latest = {};
  if (!chats().some((one) => one.address === store.address)) store.address = store.accounts[0]?.slug || "";
  const mine = Object.entries(store.person?.accounts || {}).find(([, one]) => one.subscribed);
  if (store.person && mine && !store.person.accounts[store.address]?.subscribed && store.person.accounts[store.address])
    store.address = mine[0];
  openChat(store.address);
  people.draw();
}

async function ask() {
  const asked = { person: store.person?.id || "", address: store.address, after: chat.lastId() };
  const state = await get(`/phone/state?${new URLSearchParams(asked)}`);
  store.now = state.now;
  store.offset = state.offset_seconds;
  world.drawClock();
  strip.draw(state.pushes, state.calls);
  byId("mass-mark").hidden = !state.waiting;
  if ((store.person?.id || "") !== asked.person || store.address !== asked.address) return;
  if (state.person) {
    store.person = state.person;
    store.latest = state.latest;
    if (chat.lastId() === asked.after) chat.add(state.messages);
  }
  chat.draw();
  chat.drawAllowance(state.allowance);
}

async function beat() {
  if (isAsking) return;
  isAsking = true;
  try {
    await ask();
    if (round % 4 === 0) await people.refresh();
    if (round % 6 === 0) {
      store.accounts = sorted(await get("/control/accounts"));
      await world.marks();
    }
    round += 1;
    document.body.classList.remove("lost");
  } catch (error) {
    document.body.classList.add("lost");
    byId("clock").textContent = "没有连接";
    if (!(error instanceof TypeError)) console.error(error);
  } finally {
    isAsking = false;
  }
}

const ORDER = ["service", "subscription", "wecom"];
const sorted = (list) => list.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));

async function start() {
  people.setUp(choose);
  chat.setUp(openChat);
  world.setUp(() => beat());
  mass.setUp();
  document.addEventListener("open-chat", (event) => openChat(event.detail));
  document.querySelectorAll("[data-show]").forEach((button) => {
    button.onclick = () => { document.body.dataset.view = button.dataset.show; };
  });
  byId("dialog").onclick = (event) => { if (event.target === byId("dialog")) byId("dialog").close(); };
  store.accounts = sorted(await get("/control/accounts"));
  await people.refresh();
  const query = new URLSearchParams(location.search);
  store.address = query.get("account") || "";
  if (query.get("person")) {
    store.person = await get(`/control/people/${encodeURIComponent(query.get("person"))}`).catch(() => null);
    if (!store.address) store.address = store.accounts[0]?.slug || "";
    if (store.person) openChat(store.address);
  }
  if (!store.person && matchMedia("(max-width: 860px)").matches) document.body.dataset.view = "people";
  else if (!store.person && store.people.length) choose(store.people[0].id);
  setInterval(beat, BEAT);
  beat();
}

start();
