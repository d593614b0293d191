// Calls to the control API, and small makers of elements.

export async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw await problem(response);
  return response.json();
}

export async function send(path, body, method = "POST") {
  const response = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw await problem(response);
  return response.json();
}

const WORDS = {
  not_following: "这个人没有关注该账号。",
  not_a_contact: "他们还不是好友。",
  not_waiting: "这次群发已经不在等待确认。",
  not_found: "找不到这个人或账号。",
  forbidden: "只能在本机打开这个页面。",
};

async function problem(response) {
  try {
    const body = await response.json();
    return new Error(WORDS[body.code] || body.message);
  } catch {
    return new Error(`模拟器没有正常回答（${response.status}）。`);
  }
}

// el("button.primary", { type: "button", onclick }, "文字", child…)
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node[key] = value;
    else if (key.startsWith("aria-")) node.setAttribute(key, String(value));
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

export function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  box.classList.add("on");
  clearTimeout(box.timer);
  box.timer = setTimeout(() => box.classList.remove("on"), 3200);
}

// Run a deed; what goes wrong is said, not swallowed.
export async function attempt(deed) {
  try {
    return await deed();
  } catch (error) {
    toast(error instanceof TypeError ? "模拟器没有回答，正在重试。" : error.message);
    return null;
  }
}

const beijing = (options) =>
  new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", hour12: false, ...options });
const clockFormat = beijing({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortFormat = beijing({ hour: "2-digit", minute: "2-digit" });
const dayFormat = beijing({ month: "numeric", day: "numeric" });
const fullFormat = beijing({
  year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});

export const clockText = (at) => clockFormat.format(at * 1000);
export const shortText = (at) => shortFormat.format(at * 1000);
export const fullText = (at) => fullFormat.format(at * 1000);

export function stampText(at, now) {
  const day = dayFormat.format(at * 1000);
  return day === dayFormat.format(now * 1000) ? shortText(at) : `${day} ${shortText(at)}`;
}

export function spanText(seconds) {
  if (seconds >= 86400) return `${Math.floor(seconds / 86400)} 天 ${Math.floor((seconds % 86400) / 3600)} 时`;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} 时 ${Math.floor((seconds % 3600) / 60)} 分`;
  if (seconds >= 60) return `${Math.floor(seconds / 60)} 分 ${Math.floor(seconds % 60)} 秒`;
  return `${Math.max(0, Math.floor(seconds))} 秒`;
}

const HUES = [152, 205, 28, 268, 338, 184, 48, 228, 8, 96];
export function face(name, key) {
  let sum = 0;
  for (const letter of key || name) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  const box = el("span.face", { "aria-hidden": true }, [...name][0] || "?");
  box.style.background = `hsl(${HUES[sum % HUES.length]} 42% 46%)`;
  return box;
}
