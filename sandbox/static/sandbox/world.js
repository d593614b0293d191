// Dialogs of the world: the clock, how pushes behave, faults, accounts.
import { attempt, byId, el, get, send, spanText, toast } from "./api.js";
import { buttons, field, show } from "./deeds.js";
import { KINDS, store } from "./store.js";

const FAULTS = {
  busy: "系统繁忙（-1）", token_invalid: "token 无效", token_expired: "token 过期（42001）",
  quota: "日额度用尽", rate: "频率超限", unauthorised: "接口未授权", ip: "IP 不在白名单",
  "slow:3": "慢 3 秒", http_502: "HTTP 502", html: "返回网页", cut: "断开，无效果",
  accept_then_timeout: "已生效，不回答", accept_then_cut: "已生效，回答断开",
};

export function setUp(refresh) {
  document.querySelectorAll("[data-advance]").forEach((button) => {
    button.onclick = () => advance(Number(button.dataset.advance), refresh);
  });
  byId("clock-reset").onclick = async () => { await attempt(() => send("/control/clock", { reset: true })); refresh(); };
  byId("clock-more").onclick = () => askClock(refresh);
  byId("open-push").onclick = askPush;
  byId("open-faults").onclick = askFaults;
  byId("open-accounts").onclick = showAccounts;
}

export function drawClock() {
  byId("clock").textContent = new Intl.DateTimeFormat("zh-CN", {
    timeZone: "Asia/Shanghai", hour12: false, month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).format(store.now * 1000);
  const isMoved = Math.abs(store.offset) >= 1;
  byId("clock-offset").hidden = !isMoved;
  byId("clock-reset").hidden = !isMoved;
  byId("clock-offset").textContent = `${store.offset < 0 ? "慢" : "快"} ${spanText(Math.abs(store.offset))}`;
}

async function advance(seconds, refresh) {
  const moved = await attempt(() => send("/control/clock", { advance_seconds: seconds }));
  if (moved) toast(`时钟前进了 ${spanText(seconds)}。`);
  refresh();
}

function askClock(refresh) {
  const unit = el("select", {}, ...[["60", "分钟"], ["3600", "小时"], ["86400", "天"]].map(([value, text]) => el("option", { value }, text)));
  const count = el("input", { type: "number", min: 0, step: "any", value: 1, required: true });
  show(el("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    byId("dialog").close();
    await advance(Number(count.value) * Number(unit.value), refresh);
  } }, el("h2", {}, "拨快时钟"),
  el("p.hint", {}, "窗口、token、欢迎码、素材都按这个时钟过期；API 的 Date 头也跟着走。"),
  field("前进", count), field("单位", unit), buttons("拨动")));
  count.select();
}

async function askPush() {
  const now = await attempt(() => get("/control/push"));
  if (!now) return;
  const number = (value, step) => el("input", { type: "number", min: 0, step, value });
  const fields = {
    duplicates: number(now.duplicates, "0.1"), delay_seconds: number(now.delay_seconds, "0.1"),
    retries: number(now.retries, "1"), retry_seconds: number(now.retry_seconds, "0.1"),
  };
  const shuffle = el("input", { type: "checkbox", checked: now.shuffle });
  show(el("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    const body = { shuffle: shuffle.checked };
    for (const [name, input] of Object.entries(fields)) body[name] = Number(input.value);
    if (await attempt(() => send("/control/push", body))) byId("dialog").close();
    marks();
  } }, el("h2", {}, "推送设置"),
  el("p.hint", {}, "重复：1 表示每条多推一次，0.3 表示三成多推一次。乱序：两秒内打乱先后。"),
  field("重复", fields.duplicates), field("乱序", shuffle), field("延迟（秒）", fields.delay_seconds),
  field("重试次数", fields.retries), field("重试间隔（秒）", fields.retry_seconds), buttons("保存")));
}

async function askFaults() {
  const list = await attempt(() => get("/control/faults"));
  if (!list) return;
  const path = el("input", { list: "paths", value: "message/custom/send", required: true });
  const kind = el("select", {}, ...Object.entries(FAULTS).map(([value, text]) => el("option", { value }, `${text} · ${value}`)));
  const times = el("input", { type: "number", min: -1, value: 1 });
  const paths = ["*", "message/custom/send", "message/mass/send", "draft/add", "stable_token", "user/info", "media/upload", "gettoken",
    "externalcontact/get", "externalcontact/send_welcome_msg", "kf/sync_msg", "kf/send_msg"];
  show(el("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    if (await attempt(() => send("/control/faults", { path: path.value.trim(), fault: kind.value, times: Number(times.value) }))) askFaults();
    marks();
  } }, el("h2", {}, "接口故障"),
  el("p.hint", {}, "下一次命中路径结尾的调用会遇到它；次数 -1 表示一直。"),
  list.length ? el("table", {}, ...list.map((one) => el("tr", {}, el("td", {}, one.path), el("td", {}, one.fault),
    el("td", {}, one.times < 0 ? "一直" : `还有 ${one.times} 次`)))) : el("p.hint", {}, "现在没有故障。"),
  el("datalist", { id: "paths" }, ...paths.map((value) => el("option", { value }))),
  field("接口路径", path), field("故障", kind), field("次数", times),
  el("div.buttons", {}, list.length ? el("button.danger", { type: "button", onclick: async () => {
    await attempt(() => send("/control/faults", undefined, "DELETE"));
    marks();
    askFaults();
  } }, "全部清除") : null,
  el("button", { type: "button", onclick: () => byId("dialog").close() }, "关闭"),
  el("button.primary", { type: "submit" }, "加入"))));
}

export async function marks() {
  const [list, push] = await Promise.all([get("/control/faults"), get("/control/push")]);
  byId("fault-mark").hidden = list.length === 0;
  byId("push-mark").hidden = !(push.duplicates || push.shuffle || push.delay_seconds);
}

const MODES = { plain: "明文", compat: "兼容", safe: "安全" };

function showAccounts() {
  show(el("div.sheet", {}, el("h2", {}, "账号"), ...store.accounts.map(accountTable),
    el("div.buttons", {}, el("button", { type: "button", onclick: () => byId("dialog").close() }, "关闭"))));
  byId("dialog").className = "wide";
}

function ofService(account) {
  const change = async (body, text) => {
    if (await attempt(() => send(`/control/accounts/${account.slug}`, body))) toast(text);
  };
  const admin = el("input", { type: "checkbox", checked: account.mass_needs_admin, "aria-label": "群发保护",
    onchange: () => change({ mass_needs_admin: admin.checked }, admin.checked ? "群发要等管理员确认。" : "群发不再等管理员确认。") });
  const domains = el("input", { "aria-label": "网页授权域名", placeholder: "shop.example.com，可写几个，用空格隔开",
    onchange: () => change({ web_domains: domains.value.split(/[\s,，]+/).filter(Boolean) }, "网页授权域名已改。") });
  domains.value = account.web_domains.join(" ");
  return [["群发保护", el("label", {}, admin, " 每次群发等管理员确认")], ["网页授权域名", domains]];
}

function accountTable(account) {
  const mode = account.kind === "wecom" ? "安全（企业微信只有加密）" : el("select", { onchange: async () => {
    if (await attempt(() => send(`/control/accounts/${account.slug}`, { mode: mode.value }))) toast(`${account.name}已改为${MODES[mode.value]}模式。`);
  } }, ...Object.entries(MODES).map(([value, text]) => el("option", { value, selected: value === account.mode }, text)));
  const result = el("span");
  const check = el("button", { type: "button", onclick: async () => {
    result.textContent = " 验证中…";
    const found = await attempt(() => send(`/control/accounts/${account.slug}/verify`, {}));
    result.textContent = found ? (found.ok ? ` 通过，${found.milliseconds} ms` : ` 没有通过：${found.error || `HTTP ${found.status}`}`) : "";
  } }, "验证 URL");
  const rows = [
    [account.kind === "wecom" ? "CorpID" : "AppID", account.app_id || account.corp_id],
    ["Secret", account.secret], ["Token", account.token], ["EncodingAESKey", account.aes_key],
    ...(account.kind === "service" ? ofService(account) : []),
    ["加密模式", mode], ["回调地址", account.callback_url], ["", el("span", {}, check, result)],
  ];
  return el("div", {}, el("h3", {}, `${account.name} · ${KINDS[account.kind]} · ${account.slug}`),
    el("table", {}, ...rows.map(([name, value]) => el("tr", {}, el("th", {}, name), el("td", {}, value)))));
}
