// The list of people: newest activity first, search, create.
import { attempt, byId, el, face, get, send, toast } from "./api.js";
import { store } from "./store.js";

let choose = () => {};
let shown = "";

export function setUp(onChoose) {
  choose = onChoose;
  let waiting = 0;
  byId("search").oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 150);
  };
  byId("search").onkeydown = (event) => {
    if (event.key === "Enter" && store.people.length) choose(store.people[0].id);
  };
  byId("create").onclick = askName;
}

export async function refresh() {
  const query = new URLSearchParams({ limit: 300, order: "recent" });
  if (byId("search").value.trim()) query.set("q", byId("search").value.trim());
  store.people = await get(`/control/people?${query}`);
  draw();
}

export function draw() {
  const chosen = store.person?.id;
  const print = JSON.stringify([chosen, store.people.map((one) => [one.id, one.name, chips(one)])]);
  if (print === shown) return;
  shown = print;
  byId("people-empty").hidden = store.people.length > 0;
  byId("people").replaceChildren(...store.people.map((one) => row(one, one.id === chosen)));
}

function chips(person) {
  const list = [];
  for (const account of store.accounts) {
    const follow = person.accounts[account.slug];
    if (follow?.subscribed) list.push(["on", account.name]);
  }
  for (const friend of person.colleagues) {
    if (friend.ended_at === null) list.push(["corp", friend.name]);
  }
  return list;
}

function row(person, isChosen) {
  const marks = chips(person).map(([kind, text]) => el(`span.chip.${kind}`, {}, text));
  if (!marks.length) marks.push(el("span.chip", {}, "未关注"));
  return el("li", {}, el(
    "button",
    { type: "button", "aria-current": isChosen, "data-person": person.id, onclick: () => choose(person.id) },
    face(person.name, person.id),
    el("span.who", {}, el("b", {}, person.name), el("small", {}, ...marks)),
  ));
}

function askName() {
  const dialog = byId("dialog");
  const name = el("input", { name: "name", maxlength: 64, required: true, placeholder: "例如：林小满" });
  name.value = byId("search").value.trim();
  dialog.replaceChildren(el(
    "form", { method: "dialog", onsubmit: (event) => create(event, name.value) },
    el("h2", {}, "新建一个人"),
    el("p.hint", {}, "这个人会在每个账号有自己的 openid，还没有关注任何账号。"),
    el("label.row", {}, el("span", {}, "姓名"), name),
    el("div.buttons", {},
      el("button", { type: "button", onclick: () => dialog.close() }, "取消"),
      el("button.primary", { type: "submit" }, "新建")),
  ));
  dialog.className = "";
  dialog.showModal();
  name.focus();
}

async function create(event, name) {
  event.preventDefault();
  if (!name.trim()) return;
  const person = await attempt(() => send("/control/people", { name: name.trim() }));
  if (!person) return;
  byId("dialog").close();
  byId("search").value = "";
  toast(`已新建“${person.name}”。`);
  await refresh();
  choose(person.id);
}
