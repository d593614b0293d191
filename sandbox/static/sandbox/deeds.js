// Dialogs of the phone: what a person can do besides writing.
import { attempt, byId, el, get, send } from "./api.js";
import { colleague, corp, follow, friendship, kfAccount, official, store } from "./store.js";

const dialog = () => byId("dialog");

export function show(...content) {
  dialog().className = "";
  dialog().replaceChildren(...content);
  if (!dialog().open) dialog().showModal();
}

export function field(label, input) {
  return el("label.row", {}, el("span", {}, label), input);
}

export function buttons(text, isDanger = false) {
  return el("div.buttons", {},
    el("button", { type: "button", onclick: () => dialog().close() }, "取消"),
    el(isDanger ? "button.primary.danger" : "button.primary", { type: "submit" }, text));
}

function form(title, onsubmit, ...parts) {
  return el("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); onsubmit(); } },
    el("h2", {}, title), ...parts);
}

async function deed(name, body) {
  const result = await attempt(() => send(`/control/people/${store.person.id}/${name}`, body));
  if (result && dialog().open) dialog().close();
  return result;
}

export async function askScene() {
  const codes = await attempt(() => get("/control/codes"));
  const mine = (codes?.qr_codes || []).filter((one) => one.account === store.address && !one.is_expired);
  const scene = el("input", { name: "scene", maxlength: 64, required: true, placeholder: "例如：store_湖滨店" });
  const isNumber = el("input", { type: "checkbox" });
  const scan = () => {
    const text = scene.value.trim();
    if (text) deed("follow", { account: store.address, scene: isNumber.checked && /^\d+$/.test(text) ? Number(text) : text });
  };
  show(form("扫带参数的二维码", scan,
    el("p.hint", {}, follow(store.address)?.subscribed ? "已关注：平台会推送 SCAN。" : "未关注：平台会推送 subscribe，EventKey 带 qrscene_。"),
    mine.length ? el("div.picks", {}, ...mine.slice(-24).map((one) => el("button", { type: "button",
      onclick: () => deed("follow", { account: store.address, scene: one.scene }) }, String(one.scene)))) : null,
    field("场景值", scene),
    field("整数场景", isNumber),
    buttons("扫码")));
  scene.focus();
}

export async function askColleague() {
  const codes = await attempt(() => get("/control/codes"));
  const people = corp()?.colleagues || [];
  const select = el("select", { name: "colleague" }, ...people.map((one) =>
    el("option", { value: one.userid }, `${one.name}（${one.position}）${friendship(one.userid) ? " · 已是好友" : ""}`)));
  const state = el("input", { name: "state", maxlength: 30, placeholder: "渠道参数，可空" });
  const half = el("input", { type: "checkbox" });
  const welcome = el("input", { type: "checkbox", checked: true });
  const ways = (codes?.contact_ways || []).filter((one) => one.user?.length);
  show(form("添加同事为好友", async () => {
    const done = await deed("add", { colleague: select.value, state: state.value.trim(), half: half.checked, welcome: welcome.checked });
    if (done) document.dispatchEvent(new CustomEvent("open-chat", { detail: select.value }));
  },
  el("p.hint", {}, "平台会推送 add_external_contact，其中的 WelcomeCode 20 秒内有效。"),
  ways.length ? el("div.picks", {}, ...ways.slice(0, 20).map((one) => el("button", { type: "button", onclick: () => {
    select.value = one.user[0];
    state.value = one.state || "";
  } }, `活码 ${one.remark || one.state || one.config_id.slice(0, 6)}`))) : null,
  field("同事", select), field("state", state),
  field("带欢迎码", welcome), field("等待对方确认", half), buttons("添加")));
}

export function actions() {
  if (!store.person) return;
  const list = official(store.address) ? ofAccount()
    : kfAccount(store.address) ? ofKf() : ofColleague();
  show(el("div.sheet", {}, el("h2", {}, byId("chat-name").textContent),
    el("div.picks", {}, ...list.map(([text, run, kind]) =>
      el(kind ? `button.${kind}` : "button", { type: "button", onclick: run }, text))),
    facts(),
    el("div.buttons", {}, el("button", { type: "button", onclick: () => dialog().close() }, "关闭"))));
}

function ofAccount() {
  const account = store.address;
  if (!follow(account)?.subscribed)
    return [["关注", () => deed("follow", { account }), "primary"], ["扫码关注…", askScene]];
  return [["扫二维码…", askScene], ["取消关注", () => deed("unfollow", { account }), "danger"]];
}

function ofKf() {
  return [["进入会话（带场景）…", askEntry], ["由同事在企业微信里回复…", askServicer]];
}

function ofColleague() {
  const body = { colleague: store.address };
  if (!friendship(store.address)) return [["重新添加…", () => askColleague(), "primary"]];
  return [
    ["同事修改备注…", askRemark],
    ["删除同事", () => deed("delete", body), "danger"],
    ["被同事删除", () => deed("delete", { ...body, by: "colleague" }), "danger"],
  ];
}

function facts() {
  const person = store.person;
  const rows = [["人", `${person.name}（${person.id}）`], ["unionid", person.unionid]];
  const mine = follow(store.address);
  if (mine) {
    rows.push(["openid", mine.openid], ["关注来源", `${mine.subscribe_scene || "—"}${mine.scene ? ` · ${mine.scene}` : ""}`]);
  } else {
    rows.push(["external_userid", person.external_userid]);
    const friend = friendship(store.address);
    if (friend) rows.push(["备注", friend.remark || "—"], ["state", friend.state || "—"], ["add_way", String(friend.add_way)]);
  }
  return el("table", {}, ...rows.map(([name, value]) => el("tr", {}, el("th", {}, name), el("td", {}, value))));
}

function askEntry() {
  const scene = el("input", { maxlength: 32, value: "after_sale", pattern: "[0-9a-zA-Z_\\-]+" });
  const param = el("input", { maxlength: 128, placeholder: "order%3D1001" });
  show(form("进入客服会话", () => deed("kf", {
    open_kfid: store.address, scene: scene.value.trim() || "sandbox", scene_param: param.value.trim(),
  }), el("p.hint", {}, "产生 enter_session 事件；48 小时内没收过欢迎语且没发过言时带 welcome_code。"),
  field("scene", scene), field("scene_param", param), buttons("进入")));
}

function askServicer() {
  const select = el("select", {}, ...(corp()?.colleagues || []).map((one) => el("option", { value: one.userid }, one.name)));
  const text = el("input", { maxlength: 500, required: true, placeholder: "您好，请问有什么可以帮您？" });
  show(form("同事在企业微信里回复", () => text.value.trim() && deed("servicer", {
    open_kfid: store.address, colleague: select.value, text: text.value.trim(),
  }), el("p.hint", {}, "控制台会在 sync_msg 里看到 origin 为 5 的消息。"),
  field("同事", select), field("内容", text), buttons("回复")));
}

function askRemark() {
  const friend = friendship(store.address);
  const remark = el("input", { maxlength: 20 });
  remark.value = friend.remark;
  const about = el("input", { maxlength: 150 });
  about.value = friend.description;
  show(form(`${colleague(store.address).name}修改备注`, () => deed("edit", {
    colleague: store.address, remark: remark.value, description: about.value,
  }), el("p.hint", {}, "平台会推送 edit_external_contact。"),
  field("备注", remark), field("描述", about), buttons("保存")));
}
