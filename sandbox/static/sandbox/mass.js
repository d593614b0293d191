// The dialog of mass sends: what was sent to how many, and the administrator's answer.
import { attempt, byId, clockText, el, fullText, get, send } from "./api.js";
import { show } from "./deeds.js";
import { store } from "./store.js";

const STATES = { waiting: ["等待管理员确认", "wait"], sending: ["正在发送", "wait"], done: ["已完成", "ok"], failed: ["失败", "bad"] };
const NEWEST = 30;

export function setUp() {
  byId("open-mass").onclick = open;
}

async function open() {
  const list = await attempt(() => get(`/control/mass?limit=${NEWEST}`));
  if (!list) return;
  show(el("div.sheet", {}, el("h2", {}, "群发"),
    el("p.hint", {}, "每个人每个自然月最多收到 4 条，多出的对这个人不送达，也不报错。"),
    list.length ? el("ol.jobs", {}, ...list.map(row)) : el("p.empty", {}, "还没有群发。"),
    el("div.buttons", {},
      el("button", { type: "button", onclick: open }, "刷新"),
      el("button", { type: "button", onclick: () => byId("dialog").close() }, "关闭"))));
  byId("dialog").className = "wide";
}

function row(one) {
  const [text, kind] = STATES[one.state];
  const account = store.accounts.find((found) => found.slug === one.account)?.name || one.account;
  return el("li", { title: `msg_id ${one.msg_id}` },
    el("b", {}, one.text || `[${one.type}]`),
    el("span", {}, el(`span.badge.${kind}`, {}, one.state === "failed" ? `${text} ${one.status}` : text),
      el("time", { title: fullText(one.at) }, clockText(one.at)), account,
      el("em", {}, `送达 ${one.sent} / ${one.total}`)),
    one.state === "waiting" ? el("div.acts", {},
      el("button.primary", { type: "button", onclick: () => decide(one, "confirm") }, "确认"),
      el("button.danger", { type: "button", onclick: () => decide(one, "refuse") }, "拒绝")) : null);
}

async function decide(one, answer) {
  await attempt(() => send(`/control/mass/${one.msg_id}/${answer}`, {}));
  open();
}
