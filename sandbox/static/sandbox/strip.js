// The strip: pushes and calls as they happen, and each in full on a click.
import { attempt, byId, clockText, el, fullText, get } from "./api.js";
import { store } from "./store.js";

const EVENTS = {
  "event.subscribe": "关注", "event.unsubscribe": "取消关注", "event.SCAN": "扫码",
  "event.CLICK": "点击菜单", "event.VIEW": "打开链接", "message.text": "文字消息",
  "message.image": "图片消息", "event.MASSSENDJOBFINISH": "群发完成", kf_msg_or_event: "客服消息或事件", raw: "自定内容",
  "contact.add_external_contact": "添加好友", "contact.add_half_external_contact": "添加好友（待确认）",
  "contact.edit_external_contact": "修改备注", "contact.del_external_contact": "同事删除客户",
  "contact.del_follow_user": "客户删除同事",
};

export function draw(pushes, calls) {
  const isOnly = byId("only-person").checked && store.person;
  const mine = isOnly ? pushes.filter((one) => one.person === store.person.id) : pushes;
  update(byId("pushes"), mine, pushRow);
  update(byId("calls"), calls, callRow);
  byId("pushes-empty").hidden = mine.length > 0;
  byId("calls-empty").hidden = calls.length > 0;
}

// Only rows that changed are made anew, so that hover and scroll stay.
function update(list, items, make) {
  const old = new Map([...list.children].map((row) => [row.dataset.id, row]));
  const isFirst = !list.hasRows;
  list.hasRows = true;
  const rows = items.map((item) => {
    const print = JSON.stringify(item);
    const known = old.get(String(item.id));
    if (known?.print === print) return known;
    const row = make(item);
    row.dataset.id = item.id;
    row.print = print;
    if (!isFirst) row.classList.add("fresh");
    return row;
  });
  if (rows.length !== list.children.length || rows.some((row, at) => list.children[at] !== row))
    list.replaceChildren(...rows);
}

function accountName(slug) {
  return store.accounts.find((one) => one.slug === slug)?.name || slug;
}

function pushRow(push) {
  return el("li", {}, el("button", { type: "button", onclick: () => showPush(push.id) },
    el("time", { title: fullText(push.at) }, clockText(push.at)),
    el("span.what", {}, EVENTS[push.kind] || push.kind,
      el("em", {}, `${push.name ? `${push.name} → ` : ""}${accountName(push.account)}${push.copy_of ? " · 重复" : ""}`)),
    pushBadge(push)));
}

function pushBadge(push) {
  const last = push.attempts.at(-1);
  const times = push.attempts.length;
  if (push.state === "done")
    return el("span.badge.ok", {}, `已收 ${last.ms} ms${times > 1 ? ` · 第 ${times} 次` : ""}`);
  const why = last ? (last.status ? `HTTP ${last.status}` : "无应答") : "";
  if (push.state === "failed") return el("span.badge.bad", { title: last?.error }, `放弃 · ${why}`);
  return el("span.badge.wait", { title: last?.error }, times ? `重试中 · ${why}` : "待推送");
}

function callRow(call) {
  return el("li", {}, el("button", { type: "button", onclick: () => showCall(call.id) },
    el("time", { title: fullText(call.at) }, clockText(call.at)),
    el("span.what", {}, el("code", {}, call.path.replace("/cgi-bin/", "")),
      el("em", {}, accountName(call.account) || (call.platform === "qy" ? "企业微信" : "公众平台"))),
    callBadge(call)));
}

function callBadge(call) {
  if (call.fault) return el("span.badge.bad", {}, `故障 ${call.fault}`);
  if (call.status !== 200) return el("span.badge.bad", {}, `HTTP ${call.status}`);
  if (call.errcode) return el("span.badge.bad", {}, `errcode ${call.errcode}`);
  return el("span.badge.ok", {}, "ok");
}

function wide(title, ...content) {
  const dialog = byId("dialog");
  dialog.className = "wide";
  dialog.replaceChildren(el("div.sheet", {}, el("h2", {}, title), ...content,
    el("div.buttons", {}, el("button", { type: "button", onclick: () => dialog.close() }, "关闭"))));
  if (!dialog.open) dialog.showModal();
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

async function showPush(id) {
  const push = (await attempt(() => get(`/control/pushes?id=${id}`)))?.[0];
  if (!push) return;
  wide(`推送 #${push.id} · ${EVENTS[push.kind] || push.kind}`,
    el("p.hint", {}, `${fullText(push.at)} · ${accountName(push.account)}${push.copy_of ? ` · #${push.copy_of} 的重复` : ""}`),
    el("strong", {}, "明文"), el("pre", {}, push.body),
    el("strong", {}, "送达"),
    el("table", {}, el("tr", {}, ...["时间", "状态", "回答", "耗时"].map((name) => el("th", {}, name))),
      ...push.attempts.map((one) => el("tr", { title: one.url },
        el("td", {}, clockText(one.at)), el("td", {}, one.status ? `HTTP ${one.status}` : one.error),
        el("td", {}, one.answer.slice(0, 200)), el("td", {}, `${one.milliseconds} ms`)))));
}

async function showCall(id) {
  const call = (await attempt(() => get(`/control/calls?id=${id}`)))?.[0];
  if (!call) return;
  wide(`${call.method} ${call.path}`,
    el("p.hint", {}, `${fullText(call.at)} · HTTP ${call.status}${call.fault ? ` · 故障 ${call.fault}` : ""}${call.delivered ? "" : " · 回答没有送达"}`),
    el("strong", {}, "参数"), el("pre", {}, pretty(call.query)),
    call.body === null ? "" : el("strong", {}, "正文"), call.body === null ? "" : el("pre", {}, pretty(call.body)),
    el("strong", {}, "回答"), el("pre", {}, pretty(call.answer)));
}
