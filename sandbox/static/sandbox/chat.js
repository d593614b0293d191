// The open chat: tabs, lines, compose bar, menu, what a thumb can do.
import { attempt, byId, clockText, el, face, fullText, send, shortText, spanText, stampText } from "./api.js";
import { chats, colleague, follow, friendship, isNew, kfAccount, KINDS, markSeen, official, store } from "./store.js";
import { askColleague, askScene, actions } from "./deeds.js";

const EMOJIS = [..."😀😄😂🤣😊😍😘😋😎🤔😅😭😡😱🥺😴🙏👍👌👏💪🤝🌹🎁🎉❤️💔🔥✨🌲🍵🛍️".matchAll(/\p{Extended_Pictographic}\uFE0F?/gu)]
  .map((found) => found[0]).concat(["👍🏻", "👨‍👩‍👧‍👦", "🇨🇳", "🤦🏻‍♀️", "🧧", "🐼", "☕", "📦"]);

const NEW_TAB = { target: "_blank", rel: "noopener" };
let newest = 0; // id of the last line drawn
let lastStamp = 0;
let menuPrint = "";

export const lastId = () => newest;

export function setUp(onOpen) {
  open = onOpen;
  byId("compose").onsubmit = (event) => { event.preventDefault(); write(); };
  const text = byId("text");
  text.oninput = () => grow(text);
  text.onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      write();
    }
  };
  byId("emoji").onclick = () => panel("emoji", emojis);
  byId("picture").onclick = () => panel("picture", pictures);
  byId("chat-more").onclick = actions;
  byId("viewer-close").onclick = closeViewer;
  byId("viewer").onkeydown = (event) => { if (event.key === "Escape") closeViewer(); };
  grow(text);
}

let open = () => {};

function grow(text) {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 96)}px`;
  byId("send").disabled = !text.value.trim();
}

async function deed(name, body) {
  return attempt(() => send(`/control/people/${store.person.id}/${name}`, body));
}

async function write(given, menuId) {
  const text = given ?? byId("text").value.trim();
  if (!text || !store.person) return;
  const body = { account: store.address, text };
  if (menuId) body.menu_id = String(menuId);
  if (await deed("say", body)) {
    if (given === undefined) {
      byId("text").value = "";
      grow(byId("text"));
    }
  }
}

// -- opening a chat

export function clear() {
  newest = 0;
  lastStamp = 0;
  byId("chat").replaceChildren();
  closePanel();
  closeViewer();
  menuPrint = "";
}

export function draw() {
  drawTabs();
  byId("chat-name").textContent = store.person ? chatName() : "选择一个人";
  byId("chat-note").textContent = store.person ? note() : "左边是这个世界里的人";
  byId("chat-more").hidden = !store.person;
  drawCover();
  bars();
  drawAllowance();
}

function chatName() {
  const chat = official(store.address) || kfAccount(store.address) || colleague(store.address);
  return chat?.name || "选择一个账号";
}

function note() {
  const account = official(store.address);
  if (account) return `${KINDS[account.kind]} · ${store.person.name}的手机`;
  if (kfAccount(store.address)) return `微信客服 · ${store.person.name}的手机`;
  const friend = friendship(store.address);
  if (!friend) return "已不是好友";
  return `${colleague(store.address)?.position || "同事"} · 企业微信${friend.is_confirmed ? "" : " · 等待确认"}`;
}

function drawTabs() {
  const tabs = store.person ? chats().map((one) => el(
    "button", {
      type: "button", role: "tab", "data-address": one.address,
      "aria-selected": one.address === store.address, onclick: () => open(one.address),
    }, one.name, el("small", {}, one.kind))) : [];
  tabs.forEach((tab) => tab.classList.toggle("new",
    tab.dataset.address !== store.address && isNew(tab.dataset.address)));
  if (store.person) tabs.push(el("button.plus", { type: "button", onclick: () => askColleague() }, "＋ 加同事"));
  const print = tabs.map((tab) => tab.outerHTML).join("");
  if (byId("tabs").print === print) return;
  byId("tabs").print = print;
  byId("tabs").replaceChildren(...tabs);
}

function drawCover() {
  const cover = byId("cover");
  const account = official(store.address);
  const isStranger = store.person && account && !follow(store.address)?.subscribed;
  const isPast = store.person && colleague(store.address) && !friendship(store.address);
  // Who unfollowed or was deleted keeps the old chat on the screen.
  const print = `${isStranger} ${isPast} ${store.person?.id} ${store.address} ${newest > 0}`;
  if (cover.print === print) return;
  cover.print = print;
  cover.hidden = !((isStranger || isPast || !store.person) && newest === 0);
  if (cover.hidden) return;
  if (!store.person) {
    cover.replaceChildren(el("p", {}, "从左边选择一个人，或新建一个人。"));
  } else if (account) {
    cover.replaceChildren(
      face(account.name, account.slug), el("h3", {}, account.name),
      el("p", {}, `${KINDS[account.kind]} · ${account.gh_id}`),
      el("button.primary", { type: "button", onclick: () => deed("follow", { account: store.address }) }, "关注公众号"),
      el("button.quiet", { type: "button", onclick: () => askScene() }, "扫带参数的二维码关注"));
  } else {
    cover.replaceChildren(el("p", {}, "已经不是好友了。"));
  }
}

// -- lines

export function add(messages) {
  const chat = byId("chat");
  const isAtEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 80;
  for (const message of messages) {
    if (message.id <= newest) continue;
    newest = message.id;
    if (Math.abs(message.at - lastStamp) > 300) {
      chat.append(el("div.stamp", { title: fullText(message.at) }, stampText(message.at, store.now)));
      lastStamp = message.at;
    }
    chat.append(message.sender === "system" ? notice(message) : line(message));
  }
  if (messages.length && isAtEnd) chat.scrollTop = chat.scrollHeight;
  markSeen();
}

function notice(message) {
  const box = el("div.note", { title: fullText(message.at) }, `${clockText(message.at)} ${message.text}`);
  if (message.type === "notice") box.classList.add("alarm");
  return box;
}

function line(message) {
  const isMine = message.sender === "person";
  const name = isMine ? store.person.name : chatName();
  return el(`div.line.${message.sender}`, { "data-id": message.id },
    face(name, isMine ? store.person.id : store.address),
    el("div.says", {}, bubble(message),
      el("time.when", { title: fullText(message.at) },
        clockText(message.at) + (message.extra.mass ? " 群发" : "") + (message.extra.preview ? " 群发预览" : "") +
        (message.extra.welcome ? " 欢迎语" : "") +
        (message.extra.servicer ? ` ${message.extra.servicer}` : ""))));
}

function bubble(message) {
  const { type, text, extra } = message;
  if (type === "image" && extra.url)
    return el("div.bubble.bare", {}, el("img", { src: extra.url, alt: text, onload: keepEnd }));
  if (type === "mpnews" && extra.articles) return articles(extra.articles);
  if (type === "news") return card(extra.article.title, extra.article.description, extra.article.url, extra.article.picurl);
  if (["link", "miniprogram", "miniprogrampage", "location"].includes(type))
    return card(text, extra.content?.desc || extra.content?.address || type, extra.content?.url);
  if (type === "msgmenu") return choices(text, extra.list || extra.content?.list || [], extra.tail || extra.content?.tail_content);
  if (type === "voice") return el("div.bubble", {}, "🔊 语音");
  if (extra.url) return el("div.bubble", {}, el("a", { href: extra.url, ...NEW_TAB }, text || "[文件]"));
  return el("div.bubble", {}, ...linked(text || `[${type}]`));
}

function keepEnd() {
  const chat = byId("chat");
  if (chat.scrollHeight - chat.scrollTop - chat.clientHeight < 320) chat.scrollTop = chat.scrollHeight;
}

function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"'，。；）]+)/).map((part, index) =>
    index % 2 ? link(part, part) : part);
}

// Inside WeChat the page may ask who opens it: the address carries the person.
function inWeChat(url) {
  return { href: `/phone/open?${new URLSearchParams({ person: store.person.id, url })}`, title: url, ...NEW_TAB };
}

function link(url, text) {
  return el("a", inWeChat(url), text);
}

// A mass message of articles: the first with its cover, the others below in rows.
function articles(list) {
  return el("div.bubble.bare", {}, el("div.articles", {}, ...list.map((one, index) => el(
    index ? "button.row" : "button.lead", { type: "button", onclick: () => viewArticle(one) },
    index === 0 || one.cover ? cover(one) : null,
    el("b", {}, one.title),
    index === 0 && list.length === 1 && one.digest ? el("span", {}, one.digest) : null))));
}

function cover(one) {
  const box = el("i", { "aria-hidden": true });
  if (one.cover) box.style.backgroundImage = `url("${encodeURI(one.cover)}")`;
  return box;
}

function viewArticle(one) {
  const page = new URL(one.url);
  byId("viewer-title").textContent = chatName();
  byId("viewer-page").src = `${page.pathname}?${new URLSearchParams({ person: store.person.id })}`;
  byId("viewer").hidden = false;
  byId("viewer-close").focus();
}

function closeViewer() {
  byId("viewer").hidden = true;
  byId("viewer-page").src = "about:blank";
}

function card(title, under, url, picture) {
  const isWeb = /^https?:/.test(url || "");
  return el("div.bubble.bare", {}, el("a.card", isWeb ? inWeChat(url) : {},
    el("b", {}, title || "链接"), el("span", {}, under || ""),
    /^https?:/.test(picture || "") ? el("img", { src: picture, alt: "" }) : null));
}

function choices(head, items, tail) {
  return el("div.bubble", {}, head, el("div.choices", {},
    ...items.map((item) => {
      const content = item.content ?? item.click?.content ?? item.view?.content ?? "";
      return el("button", { type: "button", onclick: () => write(String(content), item.id ?? item.click?.id) }, String(content));
    })), tail || "");
}

// -- bars under the chat

function bars() {
  const account = official(store.address);
  const canWrite = Boolean(store.person && (account ? follow(store.address)?.subscribed
    : kfAccount(store.address) || friendship(store.address)));
  const menu = canWrite && account?.menu;
  byId("menu").hidden = !menu;
  byId("compose").hidden = !canWrite;
  again(Boolean(store.person && !canWrite), account);
  byId("picture").hidden = Boolean(colleague(store.address));
  if (!canWrite) closePanel();
  const print = JSON.stringify(menu || null);
  if (menu && print !== menuPrint) {
    menuPrint = print;
    byId("menu").replaceChildren(...menu.button.map(topButton));
  }
}

// Who left keeps the old chat and may come back.
function again(isShown, account) {
  const box = byId("again");
  box.hidden = !isShown;
  if (!isShown || box.of === store.address) return;
  box.of = store.address;
  box.replaceChildren(...(account
    ? ["未关注", el("button.primary", { type: "button", onclick: () => deed("follow", { account: store.address }) }, "关注"),
      el("button", { type: "button", onclick: () => askScene() }, "扫码…")]
    : ["已不是好友", el("button.primary", { type: "button", onclick: () => deed("add", { colleague: store.address }) }, "重新添加")]));
}

function topButton(button) {
  const holder = el("div");
  const subs = button.sub_button?.length ? button.sub_button : null;
  holder.append(el("button", { type: "button", onclick: () => {
    const wasOpen = holder.querySelector(".sub");
    document.querySelectorAll(".sub").forEach((one) => one.remove());
    if (!subs) return tap(button);
    if (!wasOpen) holder.append(el("div.sub", {}, ...subs.map((sub) =>
      el("button", { type: "button", onclick: () => { holder.querySelector(".sub").remove(); tap(sub); } }, sub.name))));
  } }, subs ? `≡ ${button.name}` : button.name));
  return holder;
}

function tap(button) {
  const key = button.key || button.url || button.pagepath;
  if (key) deed("tap", { account: store.address, key });
}

function closePanel() {
  byId("panel").hidden = true;
  byId("panel").kind = "";
}

function panel(kind, make) {
  const box = byId("panel");
  if (box.kind === kind) return closePanel();
  box.kind = kind;
  box.hidden = false;
  box.replaceChildren(make());
  byId("chat").scrollTop = byId("chat").scrollHeight;
}

function emojis() {
  const text = byId("text");
  return el("div.emojis", {}, ...EMOJIS.map((one) => el("button", { type: "button", onclick: () => {
    text.setRangeText(one, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input"));
    text.focus();
  } }, one)));
}

function pictures() {
  const file = el("input", { type: "file", accept: "image/jpeg,image/png,image/gif", hidden: true, onchange: () => {
    const reader = new FileReader();
    reader.onload = () => picture({ image: reader.result });
    if (file.files[0]) reader.readAsDataURL(file.files[0]);
  } });
  const samples = ["1-forest", "2-bottle", "3-gift", "4-receipt"];
  const names = ["树林", "香氛", "礼盒", "小票"];
  return el("div.pictures", {}, ...samples.map((name, number) =>
    el("button", { type: "button", title: names[number], onclick: () => picture({ sample: number }) },
      el("img", { src: `/static/sandbox/samples/${name}.jpg`, alt: names[number] }))),
  el("button.upload", { type: "button", onclick: () => file.click() }, "上传…"), file);
}

async function picture(body) {
  closePanel();
  await deed("picture", { account: store.address, ...body });
}

const TRIGGERS = { message: "消息", click: "点菜单", follow: "关注", scan: "扫码" };

export function drawAllowance(grants = []) {
  const box = byId("allowance");
  byId("phone-time").textContent = shortText(store.now);
  if (!store.person || !official(store.address)) return box.replaceChildren();
  if (!follow(store.address)?.subscribed) return box.replaceChildren("未关注：账号不能发客服消息");
  const usable = grants.filter((grant) => grant.left > 0);
  if (grants.length && !usable.length) return box.replaceChildren("账号的客服消息条数已用完，等这个人再说话");
  if (!grants.length) return box.replaceChildren("账号此刻不能发客服消息（窗口已关）");
  return box.replaceChildren("账号还可发：", ...usable.flatMap((grant, index) => [
    index ? "；" : "", el("b", {}, `${grant.left} 条`),
    `（${TRIGGERS[grant.trigger] || grant.trigger}，剩 ${spanText(grant.expires_at - store.now)}）`]));
}
