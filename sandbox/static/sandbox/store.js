// What the page knows, and which person and chat it shows.

export const store = {
  accounts: [], // of /control/accounts
  people: [],
  person: null, // described, of /phone/state
  address: "", // slug, open_kfid or userid of the open chat
  now: Date.now() / 1000,
  offset: 0,
  latest: {},
  seen: JSON.parse(localStorage.getItem("seen") || "{}"),
};

export const corp = () => store.accounts.find((one) => one.kind === "wecom");
export const official = (slug) =>
  store.accounts.find((one) => one.slug === slug && one.kind !== "wecom");
export const kfAccount = (id) =>
  corp()?.kf_accounts.find((one) => one.open_kfid === id);
export const colleague = (id) =>
  corp()?.colleagues.find((one) => one.userid === id);
export const friendship = (id) =>
  store.person?.colleagues.find((one) => one.userid === id && one.ended_at === null);
export const follow = (slug) => store.person?.accounts[slug];

export const KINDS = { service: "服务号", subscription: "公众号", wecom: "企业微信" };

export function chats() {
  const list = store.accounts
    .filter((one) => one.kind !== "wecom")
    .map((one) => ({ address: one.slug, name: one.name, kind: KINDS[one.kind] }));
  for (const one of corp()?.kf_accounts || [])
    list.push({ address: one.open_kfid, name: one.name, kind: "客服" });
  for (const one of store.person?.colleagues || [])
    if (one.ended_at === null || one.userid === store.address)
      list.push({ address: one.userid, name: one.name, kind: "同事" });
  return list;
}

export function markSeen() {
  const newest = store.latest[store.address];
  if (!store.person || !newest) return;
  const key = `${store.person.id} ${store.address}`;
  if (store.seen[key] === newest) return;
  store.seen[key] = newest;
  localStorage.setItem("seen", JSON.stringify(store.seen));
}

export const isNew = (address) =>
  (store.latest[address] || 0) > (store.seen[`${store.person?.id} ${address}`] || 0);
