/* The agent workspace: fetches fragments the server rendered and merges them by key, so
   that nothing a person reads or types is moved. Frames of the socket carry ids only;
   without a socket the page polls. */
(function () {
  "use strict";

  const root = document.getElementById("ws");
  if (!root) {
    return;
  }
  const words = JSON.parse(document.getElementById("ws-strings").textContent);
  const base = root.dataset.root;
  const parts = {
    list: root.querySelector('[data-part="list"]'),
    main: root.querySelector('[data-part="main"]'),
    toasts: root.querySelector("[data-toasts]"),
  };
  const POLL_MS = 3000;
  const CALM_MS = 20000;
  const NEAR_BOTTOM = 60;
  let openId = root.dataset.open || "";
  let tab = parts.list.querySelector("[data-tab]").dataset.tab;
  let term = "";
  let clockOffset = 0;
  let inFlight = 0;

  // -- small things

  function say(text, isBad) {
    const toast = document.createElement("div");
    toast.className = "ws-toast" + (isBad ? " ws-bad" : "");
    toast.textContent = text;
    parts.toasts.append(toast);
    window.setTimeout(function () { toast.remove(); }, isBad ? 7000 : 3500);
  }
  function fill(text, values) {
    return text.replace(/%([nhms])/g, function (_all, key) { return values[key]; });
  }
  function parse(html) {
    return new DOMParser().parseFromString(html, "text/html").body;
  }
  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return Array.from(bytes, function (b) { return b.toString(16).padStart(2, "0"); }).join("");
  }
  function store(kind, name, value) {
    try {
      if (value === undefined) {
        return kind.getItem(name);
      }
      if (value === "") {
        kind.removeItem(name);
      } else {
        kind.setItem(name, value);
      }
    } catch (_error) {
      // Storage may be switched off: drafts and sound then last as long as the page.
    }
    return null;
  }
  async function get(address) {
    const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" }, redirect: "follow" });
    if (answer.redirected && answer.url.includes("/login/")) {
      window.location.reload();
      throw new Error("session over");
    }
    if (!answer.ok) {
      const error = new Error(String(answer.status));
      error.status = answer.status;
      throw error;
    }
    return answer.text();
  }
  async function post(address, data) {
    const body = data instanceof FormData ? data : new FormData();
    const answer = await fetch(address, {
      method: "POST",
      body: body,
      headers: { "X-CSRFToken": root.querySelector("input[name=csrfmiddlewaretoken]").value },
    });
    if (answer.redirected && answer.url.includes("/login/")) {
      window.location.reload();
    }
    if (answer.ok) {
      return { ok: true };
    }
    if (answer.status === 409) {
      const refusal = await answer.json();
      return { ok: false, isRefusal: true, message: refusal.message, code: refusal.code };
    }
    return { ok: false, message: words.failed };
  }

  // -- merging what the server sent

  function byKey(parent) {
    const found = new Map();
    for (const item of parent.children) {
      found.set(item.dataset.key, item);
    }
    return found;
  }

  /* Puts new items where the server has them, replaces changed ones, leaves the rest as
     it stands. `removes`: items the server no longer has go away. Returns the new ones. */
  function merge(target, source, removes) {
    const known = byKey(target);
    const fresh = [];
    let previous = null;
    for (const incoming of Array.from(source.children)) {
      let item = known.get(incoming.dataset.key);
      if (item && item.dataset.v !== incoming.dataset.v) {
        carryState(item, incoming);
        item.replaceWith(incoming);
        item = incoming;
      } else if (!item) {
        item = incoming;
        if (previous) {
          previous.after(item);
        } else if (removes) {
          target.prepend(item);
        } else {
          target.append(item);
        }
        fresh.push(item);
      }
      known.delete(incoming.dataset.key);
      previous = item;
    }
    if (removes) {
      for (const item of known.values()) {
        item.remove();
      }
    }
    return fresh;
  }
  function carryState(before, after) {
    for (const name of ["ws-current", "pd-current"]) {
      after.classList.toggle(name, before.classList.contains(name));
    }
  }

  // -- clocks: waiting times and windows, on the server's time

  function readClock(element) {
    if (element && element.dataset.now) {
      clockOffset = Number(element.dataset.now) - Date.now();
    }
  }
  function two(number) {
    return String(number).padStart(2, "0");
  }
  function tick() {
    const now = Date.now() + clockOffset;
    for (const item of root.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.floor((now - Number(item.dataset.since)) / 1000));
      const hours = Math.floor(seconds / 3600);
      const text = (hours ? hours + ":" + two(Math.floor(seconds / 60) % 60) : two(Math.floor(seconds / 60))) + ":" + two(seconds % 60);
      if (item.textContent !== text) {
        item.textContent = text;
      }
      const since = Number(item.dataset.since);
      const due = Number(item.dataset.due) || since;
      item.classList.toggle("ws-late", now >= due);
      item.classList.toggle("ws-soon", now < due && now >= since + (due - since) / 2);
    }
    for (const item of root.querySelectorAll("[data-closes]")) {
      const left = Math.floor((Number(item.dataset.closes) - now) / 1000);
      let text = words.over;
      if (left > 3600) {
        text = fill(words.hoursLeft, { h: Math.floor(left / 3600), m: Math.floor(left / 60) % 60 });
      } else if (left > 0) {
        text = fill(words.minutesLeft, { m: Math.floor(left / 60), s: two(left % 60) });
      }
      if (item.dataset.left !== undefined) {
        text += " · " + fill(words.left, { n: item.dataset.left });
        item.classList.toggle("ws-full", left < 3600 || Number(item.dataset.left) <= 1);
      }
      if (item.textContent !== text) {
        item.textContent = text;
      }
    }
  }

  // -- the list

  let listTurn = 0;
  let announced = 0;

  async function refreshList(isFirst) {
    const turn = ++listTurn;
    const query = new URLSearchParams({ tab: tab, q: term });
    const fresh = parse(await get(base + "list/?" + query)).querySelector(".ws-list");
    if (turn !== listTurn) {
      return;
    }
    const current = parts.list.querySelector(".ws-list");
    readClock(fresh);
    if (isFirst || !current) {
      const focused = document.activeElement && document.activeElement.matches("[data-search]");
      const search = current && current.querySelector("[data-search]");
      parts.list.replaceChildren(fresh);
      if (search) {
        fresh.querySelector("[data-search]").replaceWith(search);
        if (focused) {
          search.focus();
        }
      }
      announced = 0;
    } else {
      mergeList(current, fresh);
    }
    showCurrent();
    showSound();
    showTitle();
    tick();
  }
  function mergeList(current, fresh) {
    const box = current.querySelector("[data-rows-box]");
    const isUp = box.scrollTop > 10;
    const before = box.scrollHeight - box.scrollTop;
    const added = merge(current.querySelector("[data-rows]"), fresh.querySelector("[data-rows]"), true);
    if (isUp && added.length) {
      // What the person looks at stays where it is; the new ones are announced.
      box.scrollTop = box.scrollHeight - before;
      announced += added.length;
    }
    for (const row of added) {
      row.classList.add("ws-fresh");
    }
    const notice = current.querySelector("[data-announce]");
    notice.hidden = !announced || !isUp;
    notice.textContent = fill(words.newRows, { n: announced });
    for (const name of [".ws-tabs", ".ws-foot"]) {
      const was = current.querySelector(name);
      const is = fresh.querySelector(name);
      if (was && is && was.innerHTML !== is.innerHTML && !was.contains(document.activeElement)) {
        was.innerHTML = is.innerHTML;
      }
    }
    for (const name of [".ws-none", ".ws-team"]) {
      const was = current.querySelector(name);
      const is = fresh.querySelector(name);
      if (was) {
        was.remove();
      }
      if (is) {
        box[name === ".ws-none" ? "append" : "prepend"](is);
      }
    }
    current.dataset.unread = fresh.dataset.unread;
  }
  function showCurrent() {
    for (const row of parts.list.querySelectorAll(".ws-row")) {
      const isOpen = row.dataset.id === openId;
      row.classList.toggle("ws-current", isOpen);
      row.querySelector("a").toggleAttribute("aria-current", isOpen);
    }
  }
  function showTitle() {
    const list = parts.list.querySelector(".ws-list");
    const unread = Number(list ? list.dataset.unread : 0);
    document.title = (unread ? "(" + unread + ") " : "") + words.title;
  }

  // -- one conversation

  let deskTurn = 0;
  // After a silence, or now and then: all lines and the card, not the newest lines only.
  let wantsWhole = false;
  let unseen = 0;

  function desk() {
    return parts.main.querySelector("[data-desk]");
  }
  function isLooking() {
    return document.visibilityState === "visible" && document.hasFocus();
  }
  async function open(id, isBack) {
    saveDraft();
    openId = String(id || "");
    if (!isBack) {
      history.pushState({ id: openId }, "", openId ? base + openId + "/" : base);
    }
    root.classList.toggle("ws-has-desk", Boolean(openId));
    root.classList.remove("ws-show-card");
    showCurrent();
    subscribe();
    if (!openId) {
      parts.main.replaceChildren();
      refreshList(true).catch(function () {});
      return;
    }
    await refreshDesk(true);
  }
  async function refreshDesk(isFirst) {
    const isWhole = isFirst || wantsWhole;
    wantsWhole = false;
    if (!openId) {
      return;
    }
    const id = openId;
    const turn = ++deskTurn;
    let fresh;
    try {
      fresh = parse(await get(base + id + "/desk/" + (isWhole ? "" : "?live=1"))).querySelector("[data-desk]");
    } catch (error) {
      if (error.status === 404 && openId === id) {
        parts.main.replaceChildren();
        root.classList.remove("ws-has-desk");
        openId = "";
      }
      throw error;
    }
    if (turn !== deskTurn || id !== openId) {
      return;
    }
    readClock(fresh);
    if ("unread" in fresh.dataset && isLooking()) {
      markRead(id);
    }
    const current = desk();
    const isOther = !current || current.dataset.desk !== fresh.dataset.desk || hasOther(current, fresh);
    if (isOther && !isWhole) {
      wantsWhole = true;
      await refreshDesk();
      return;
    }
    if (isFirst || isOther) {
      const typed = current && current.dataset.desk === fresh.dataset.desk;
      if (typed) {
        saveDraft();
      }
      parts.main.replaceChildren(fresh);
      settleDesk();
    } else {
      mergeDesk(current, fresh);
    }
    tick();
  }
  async function markRead(id) {
    try {
      await post(base + id + "/do/read/");
      refreshSoon(true, false);
    } catch (_error) {
      // The next look tries again.
    }
  }
  function hasOther(current, fresh) {
    return Boolean(current.querySelector("[data-lines]")) !== Boolean(fresh.querySelector("[data-lines]"));
  }
  function settleDesk() {
    unseen = 0;
    const scroll = scroller();
    if (scroll) {
      scroll.scrollTop = scroll.scrollHeight;
      scroll.addEventListener("scroll", function () {
        if (isAtEnd()) {
          unseen = 0;
          showUnseen();
        }
      });
      for (const image of scroll.querySelectorAll("img")) {
        image.addEventListener("load", stayAtEnd, { once: true });
      }
    }
    const file = parts.main.querySelector("[data-picture]");
    if (file) {
      // The theme's own listener for file fields expects its own markup around it.
      file.hasChangeListener = true;
    }
    loadDraft();
    const text = field();
    if (text && canWrite() && window.matchMedia("(min-width: 761px)").matches) {
      text.focus({ preventScroll: true });
    }
    showMode();
    lookAgain();
  }
  function stayAtEnd() {
    if (!unseen && wasAtEnd) {
      const scroll = scroller();
      scroll.scrollTop = scroll.scrollHeight;
    }
  }
  let wasAtEnd = true;
  function scroller() {
    return parts.main.querySelector("[data-scroll]");
  }
  function isAtEnd() {
    const scroll = scroller();
    wasAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM;
    return wasAtEnd;
  }
  function mergeDesk(current, fresh) {
    const scroll = scroller();
    const atEnd = isAtEnd();
    const lines = current.querySelector("[data-lines]");
    if (lines) {
      const added = merge(lines, fresh.querySelector("[data-lines]"), false);
      dropSent(lines);
      const heard = added.filter(function (line) { return line.classList.contains("ws-in"); });
      for (const image of lines.querySelectorAll("img:not([data-seen])")) {
        image.dataset.seen = "1";
        image.addEventListener("load", stayAtEnd, { once: true });
      }
      if (atEnd) {
        scroll.scrollTop = scroll.scrollHeight;
      } else {
        unseen += heard.length;
      }
      if (heard.length && !isLooking()) {
        ring();
      }
      showUnseen();
      keepPendingLast(lines);
    }
    for (const name of ["head", "bar", "allow", "card"]) {
      const was = current.querySelector('[data-part="' + name + '"]');
      const is = fresh.querySelector('[data-part="' + name + '"]');
      const isOpenMenu = was && was.querySelector("details[open]");
      if (was && is && !isOpenMenu && was.innerHTML !== is.innerHTML && plain(was) !== plain(is)) {
        was.innerHTML = is.innerHTML;
      }
    }
    current.dataset.mode = fresh.dataset.mode;
    current.dataset.state = fresh.dataset.state;
    const was = composer();
    const is = fresh.querySelector("[data-composer]");
    if (was && is) {
      was.dataset.canReply = is.dataset.canReply;
      was.dataset.canNote = is.dataset.canNote;
    }
    showMode();
    lookAgain();
  }
  /* The markup without what the clocks write into it. */
  function plain(part) {
    const copy = part.cloneNode(true);
    for (const item of copy.querySelectorAll("[data-since], [data-closes]")) {
      item.textContent = "";
      item.className = "";
    }
    return copy.innerHTML;
  }
  function showUnseen() {
    const button = parts.main.querySelector("[data-new]");
    if (button) {
      button.hidden = !unseen;
      button.textContent = fill(words.newMessages, { n: unseen });
      button.style.bottom = (parts.main.clientHeight - scroller().offsetTop - scroller().offsetHeight + 12) + "px";
    }
  }
  let lookTimer = 0;
  function lookAgain() {
    // A picture that is still being fetched sends no frame.
    window.clearTimeout(lookTimer);
    if (parts.main.querySelector("[data-pending]")) {
      lookTimer = window.setTimeout(function () { refreshDesk().catch(function () {}); }, 1500);
    }
  }
  async function showOlder(button) {
    const lines = parts.main.querySelector("[data-lines]");
    const address = base + openId + "/older/?before=" + encodeURIComponent(lines.dataset.before);
    button.disabled = true;
    try {
      const fresh = parse(await get(address)).querySelector("[data-lines]");
      const scroll = scroller();
      const below = scroll.scrollHeight - scroll.scrollTop;
      const known = byKey(lines);
      for (const item of fresh.children) {
        const same = known.get(item.dataset.key);
        if (same) {
          same.remove();
        }
      }
      lines.prepend(...Array.from(fresh.children));
      lines.dataset.before = fresh.dataset.before;
      button.hidden = !fresh.dataset.before;
      scroll.scrollTop = scroll.scrollHeight - below;
    } catch (_error) {
      say(words.failed, true);
    }
    button.disabled = false;
  }

  // -- writing

  let picture = null;

  function composer() {
    return parts.main.querySelector("[data-composer]");
  }
  function field() {
    return parts.main.querySelector("[data-text]");
  }
  function isNote() {
    const box = parts.main.querySelector("[data-note]");
    return Boolean(box && box.checked);
  }
  function canWrite() {
    const form = composer();
    return form && (isNote() ? form.dataset.canNote === "1" : form.dataset.canReply === "1");
  }
  function draftName() {
    return "pd-draft-" + root.dataset.me + "-" + openId;
  }
  function saveDraft() {
    if (openId && field() && desk().dataset.desk === openId) {
      store(sessionStorage, draftName(), field().value);
    }
  }
  function loadDraft() {
    if (field()) {
      field().value = store(sessionStorage, draftName()) || "";
      grow();
    }
  }
  function grow() {
    const text = field();
    text.style.height = "auto";
    text.style.height = Math.min(text.scrollHeight, window.innerHeight * 0.38) + "px";
  }
  function showMode() {
    const form = composer();
    if (!form) {
      return;
    }
    const box = form.querySelector("[data-note]");
    if (form.dataset.canReply !== "1" && form.dataset.canNote === "1" && desk().dataset.mode !== "held") {
      box.checked = true;
    }
    form.classList.toggle("ws-noting", isNote());
    form.querySelector("[data-send]").disabled = !canWrite();
    const text = field();
    if (!text.dataset.replyPlaceholder) {
      text.dataset.replyPlaceholder = text.placeholder;
    }
    const isNarrow = window.matchMedia("(max-width: 760px)").matches;
    const reply = isNarrow ? text.dataset.shortPlaceholder : text.dataset.replyPlaceholder;
    text.placeholder = isNote() ? text.dataset.notePlaceholder : reply;
  }
  function pendingLine(key, text, verb) {
    const line = document.createElement("li");
    line.className = "ws-line ws-tone-wait " + (verb === "note" ? "ws-note" : "ws-out");
    line.dataset.key = "p" + key;
    line.dataset.pendingKey = key;
    const bubble = document.createElement("div");
    bubble.className = "ws-bubble";
    const body = document.createElement("p");
    body.textContent = text;
    bubble.append(body);
    const meta = document.createElement("div");
    meta.className = "ws-meta";
    meta.textContent = words.sending;
    line.append(bubble, meta);
    return line;
  }
  function dropSent(lines) {
    for (const line of lines.querySelectorAll("[data-pending-key]")) {
      if (lines.querySelector('[data-client-key="' + line.dataset.pendingKey + '"]')) {
        line.remove();
      }
    }
  }
  function keepPendingLast(lines) {
    for (const line of lines.querySelectorAll("[data-pending-key]")) {
      lines.append(line);
    }
  }
  function send() {
    const text = field().value.trim();
    const verb = isNote() ? "note" : picture ? "picture" : "reply";
    if (!canWrite() || (!text && verb !== "picture")) {
      return;
    }
    const lines = parts.main.querySelector("[data-lines]");
    const key = newKey();
    const line = pendingLine(key, verb === "picture" ? picture.name || "…" : text, verb);
    lines.append(line);
    scroller().scrollTop = scroller().scrollHeight;
    const job = { id: openId, verb: verb, key: key, text: text, picture: picture, line: line };
    if (verb === "picture") {
      dropPicture();
    } else {
      field().value = "";
      store(sessionStorage, draftName(), "");
      grow();
    }
    deliver(job);
  }
  async function deliver(job) {
    const data = new FormData();
    data.set("client_key", job.key);
    if (job.verb === "picture") {
      data.set("picture", job.picture);
    } else {
      data.set("text", job.text);
    }
    inFlight += 1;
    let result;
    try {
      result = await post(base + job.id + "/do/" + job.verb + "/", data);
    } catch (_error) {
      result = { ok: false, message: words.failed };
    }
    inFlight -= 1;
    if (!result.ok) {
      showNotSent(job, result);
    } else if (job.id === openId) {
      refreshDesk().catch(function () {});
    }
    refreshList().catch(function () {});
  }
  function showNotSent(job, result) {
    job.line.classList.remove("ws-tone-wait");
    job.line.classList.add("ws-tone-notsent");
    const meta = job.line.querySelector(".ws-meta");
    const why = document.createElement("span");
    why.className = "ws-sending";
    why.textContent = "✕ " + words.notSent + "：" + result.message + " ";
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = words.retry;
    again.addEventListener("click", function () {
      job.line.classList.replace("ws-tone-notsent", "ws-tone-wait");
      meta.textContent = words.sending;
      deliver(job);
    });
    meta.replaceChildren(why, again);
    if (result.isRefusal && job.id === openId) {
      // Nothing is lost: a refused text is in the field again when the field is free.
      if (job.verb !== "picture" && field() && !field().value) {
        field().value = job.text;
        grow();
        saveDraft();
        job.line.remove();
        say(result.message, true);
      }
      refreshDesk().catch(function () {});
    }
  }
  function choosePicture(file) {
    if (!file) {
      return;
    }
    if (!/^image\/(jpeg|png|gif|webp)$/.test(file.type)) {
      say(words.notAPicture, true);
      return;
    }
    if (file.size > 10 * 1024 * 1024) {
      say(words.pictureTooLarge, true);
      return;
    }
    picture = file;
    const form = composer();
    form.querySelector("[data-note]").checked = false;
    showMode();
    form.querySelector("[data-picture-preview]").src = URL.createObjectURL(file);
    form.querySelector("[data-picture-box]").hidden = false;
    field().focus();
  }
  function dropPicture() {
    picture = null;
    const form = composer();
    const preview = form.querySelector("[data-picture-preview]");
    URL.revokeObjectURL(preview.src);
    preview.removeAttribute("src");
    form.querySelector("[data-picture-box]").hidden = true;
    form.querySelector("[data-picture]").value = "";
  }
  function insert(text) {
    const area = field();
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    grow();
    saveDraft();
  }

  // -- ready answers: "/" at the beginning

  let phraseTurn = 0;
  async function offerPhrases() {
    const box = parts.main.querySelector("[data-phrases]");
    const text = field().value;
    const turn = ++phraseTurn;
    if (!text.startsWith("/") || text.includes("\n")) {
      box.hidden = true;
      return;
    }
    const html = await get(base + openId + "/phrases/?q=" + encodeURIComponent(text.slice(1)));
    if (turn === phraseTurn) {
      box.replaceChildren(...Array.from(parse(html).children));
      box.hidden = false;
      choosePhrase(0);
    }
  }
  function choosePhrase(step) {
    const all = Array.from(parts.main.querySelectorAll("[data-phrase]"));
    if (!all.length) {
      return;
    }
    const at = Math.max(0, all.findIndex(function (item) { return item.classList.contains("ws-chosen"); }));
    const next = Math.min(Math.max(at + step, 0), all.length - 1);
    all.forEach(function (item, index) { item.classList.toggle("ws-chosen", index === next); });
    all[next].scrollIntoView({ block: "nearest" });
  }
  function takePhrase(button) {
    field().value = button.dataset.phrase;
    parts.main.querySelector("[data-phrases]").hidden = true;
    field().focus();
    grow();
    saveDraft();
  }

  // -- sound

  let audio = null;
  function isLoud() {
    return store(localStorage, "pd-sound") === "1";
  }
  function showSound() {
    const button = parts.list.querySelector("[data-sound]");
    if (button) {
      button.setAttribute("aria-pressed", String(isLoud()));
      button.firstElementChild.textContent = isLoud() ? "notifications_active" : "notifications_off";
      button.title = isLoud() ? words.soundOn : words.soundOff;
    }
  }
  let rangAt = 0;
  function ring() {
    if (!isLoud() || Date.now() - rangAt < 2000) {
      return;
    }
    rangAt = Date.now();
    audio = audio || new AudioContext();
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    tone.frequency.value = 880;
    loudness.gain.setValueAtTime(0.12, audio.currentTime);
    loudness.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.35);
    tone.connect(loudness).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.35);
  }

  // -- live

  let socket = null;
  let isLive = false;
  let retries = 0;
  let lastFrameAt = 0;
  const wanted = new Set();

  function connect() {
    const address = root.dataset.live.replace(/^http/, "ws").replace(/\/$/, "") + "/ws/";
    try {
      socket = new WebSocket(address);
    } catch (_error) {
      setLive(false);
      later();
      return;
    }
    socket.addEventListener("message", function (event) { hear(JSON.parse(event.data)); });
    socket.addEventListener("close", function (event) {
      setLive(false);
      if (event.code === 4401) {
        window.location.reload();
        return;
      }
      later();
    });
  }
  function later() {
    retries += 1;
    const pause = Math.min(30000, 500 * Math.pow(2, Math.min(retries, 6))) * (0.7 + Math.random() * 0.6);
    window.setTimeout(connect, pause);
  }
  function hear(frame) {
    lastFrameAt = Date.now();
    if (frame.what === "hello") {
      retries = 0;
      wanted.clear();
      setLive(!frame.is_degraded);
      subscribe();
      refreshAll();
    } else if (frame.what === "changed") {
      changed(frame);
    } else if (frame.what === "degraded") {
      setLive(false);
    } else if (frame.what === "restored") {
      setLive(true);
      refreshAll();
    } else if (frame.what === "subscribed") {
      // Between asking and joining something may have happened.
      refreshAll();
    }
  }
  function setLive(value) {
    isLive = value;
    let notice = root.querySelector(".ws-offline");
    if (!value && !notice) {
      notice = document.createElement("div");
      notice.className = "ws-offline";
      notice.setAttribute("role", "status");
      notice.textContent = words.offline;
      // A reload or a short break needs no alarm.
      window.setTimeout(function () {
        if (!isLive && !root.querySelector(".ws-offline")) {
          root.append(notice);
        }
      }, 2500);
    } else if (value && notice) {
      notice.remove();
    }
  }
  function subscribe() {
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return;
    }
    const groups = root.dataset.queues.split(",").filter(Boolean).map(function (id) { return "queue." + id; });
    if (openId) {
      groups.push("conversation." + openId);
    }
    const fresh = groups.filter(function (group) { return !wanted.has(group); });
    const old = Array.from(wanted).filter(function (group) { return !groups.includes(group); });
    if (fresh.length) {
      socket.send(JSON.stringify({ do: "subscribe", groups: fresh }));
    }
    if (old.length) {
      socket.send(JSON.stringify({ do: "unsubscribe", groups: old }));
    }
    wanted.clear();
    groups.forEach(function (group) { wanted.add(group); });
  }
  function changed(frame) {
    const isOpenOne = String(frame.ids.conversation || "") === openId;
    // The open conversation has a group of its own; the others tell of the list.
    const isOwnGroup = frame.group.startsWith("conversation.");
    refreshSoon(!isOwnGroup, isOwnGroup && isOpenOne);
    if (!isOpenOne && frame.ids.message && !isLooking()) {
      ring();
    }
  }
  /* At once, and then once more when frames came meanwhile: never a queue of fetches. */
  const due = { list: false, desk: false };
  const busy = { list: false, desk: false };
  function refreshSoon(list, thisDesk) {
    due.list = due.list || list;
    due.desk = due.desk || thisDesk;
    window.clearTimeout(soonTimer);
    soonTimer = window.setTimeout(pumpBoth, 15);
  }
  let soonTimer = 0;
  async function pumpBoth() {
    // What is being read comes first; the list may be a moment late.
    await pump("desk", refreshDesk);
    await pump("list", refreshList);
  }
  async function pump(name, refresh) {
    if (busy[name] || !due[name]) {
      return;
    }
    busy[name] = true;
    due[name] = false;
    try {
      await refresh();
    } catch (_error) {
      // The next frame or poll tries again.
    }
    busy[name] = false;
    await pump(name, refresh);
  }
  function refreshAll() {
    wantsWhole = true;
    refreshSoon(true, true);
  }
  window.setInterval(function () {
    const isOpen = socket && socket.readyState === WebSocket.OPEN;
    if (isOpen) {
      socket.send(JSON.stringify({ do: "ping" }));
      if (Date.now() - lastFrameAt > 30000) {
        socket.close();
      }
    } else {
      post(base + "here/").catch(function () {});
    }
  }, 10000);
  let polledAt = 0;
  window.setInterval(function () {
    const pause = isLive ? CALM_MS : POLL_MS;
    if (Date.now() - polledAt >= pause && (isLive ? document.visibilityState === "visible" : true)) {
      polledAt = Date.now();
      refreshAll();
    }
  }, 1000);

  // -- what people do

  root.addEventListener("click", function (event) {
    const target = event.target;
    const link = target.closest("[data-open-link], .ws-card a.ws-link[href*='/workspace/']");
    const plainClick = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
    if (link && plainClick) {
      event.preventDefault();
      open(link.getAttribute("href").match(/(\d+)\/$/)[1]).catch(failed);
      return;
    }
    const tabLink = target.closest("[data-tab-link]");
    if (tabLink && plainClick) {
      event.preventDefault();
      tab = tabLink.dataset.tabLink;
      term = "";
      parts.list.querySelector("[data-search]").value = "";
      refreshList(true).catch(failed);
      return;
    }
    if (target.closest("[data-back]") && plainClick) {
      event.preventDefault();
      open("").catch(failed);
    } else if (target.closest("[data-card-toggle]")) {
      root.classList.toggle("ws-show-card");
    } else if (target.closest("[data-older]")) {
      showOlder(target.closest("[data-older]"));
    } else if (target.closest("[data-new]")) {
      scroller().scrollTop = scroller().scrollHeight;
    } else if (target.closest("[data-announce]")) {
      announced = 0;
      parts.list.querySelector("[data-rows-box]").scrollTop = 0;
      refreshList(true).catch(failed);
    } else if (target.closest("[data-emoji]")) {
      insert(target.closest("[data-emoji]").textContent);
    } else if (target.closest("[data-phrase]")) {
      takePhrase(target.closest("[data-phrase]"));
    } else if (target.closest("[data-picture-drop]")) {
      dropPicture();
    } else if (target.closest("[data-sound]")) {
      store(localStorage, "pd-sound", isLoud() ? "0" : "1");
      showSound();
      rangAt = 0;
      ring();
    }
    for (const menu of root.querySelectorAll("details[open]")) {
      if (!menu.contains(target)) {
        menu.open = false;
      }
    }
  });
  function failed() {
    say(words.failed, true);
  }

  // Whom it can be given to is asked for when the menu opens ("toggle" does not bubble).
  root.addEventListener("toggle", async function (event) {
    const menu = event.target;
    if (menu.matches("[data-give-menu]") && menu.open) {
      const html = await get(base + openId + "/colleagues/").catch(failed);
      if (html) {
        menu.querySelector("[data-colleagues]").replaceChildren(...Array.from(parse(html).children));
      }
    }
  }, true);

  root.addEventListener("submit", async function (event) {
    event.preventDefault();
    const form = event.target;
    if (form.matches("[data-composer]")) {
      send();
      return;
    }
    if (!form.dataset.act) {
      return;
    }
    const button = form.querySelector("button:not([type=button])");
    button.disabled = true;
    let result;
    try {
      result = await post(base + openId + "/do/" + form.dataset.act + "/", new FormData(form));
    } catch (_error) {
      result = { ok: false, message: words.failed };
    }
    button.disabled = false;
    const menu = form.closest("details");
    if (menu) {
      menu.open = false;
    }
    if (!result.ok) {
      say(result.message, true);
    } else if (form.dataset.act === "praise" || form.dataset.act === "complain") {
      wantsWhole = true; // it stands in the card
    } else if (form.dataset.act === "claim") {
      tab = "mine";
      term = "";
      refreshList(true).catch(function () {});
    }
    refreshSoon(true, true);
  });

  root.addEventListener("change", async function (event) {
    const target = event.target;
    if (target.matches("[data-status]")) {
      const data = new FormData();
      data.set("status", target.value);
      const result = await post(base + "status/", data).catch(function () { return { ok: false, message: words.failed }; });
      if (!result.ok) {
        say(result.message, true);
      }
      target.blur();
      refreshList().catch(function () {});
    } else if (target.matches("[data-picture]")) {
      choosePicture(target.files[0]);
    } else if (target.matches("[data-note]")) {
      showMode();
      field().focus();
    }
  });

  let searchTimer = 0;
  root.addEventListener("input", function (event) {
    if (event.target.matches("[data-search]")) {
      window.clearTimeout(searchTimer);
      searchTimer = window.setTimeout(function () {
        term = event.target.value.trim();
        refreshList(true).catch(failed);
      }, 200);
    } else if (event.target.matches("[data-text]")) {
      grow();
      saveDraft();
      offerPhrases().catch(function () {});
    }
  });

  root.addEventListener("paste", function (event) {
    if (event.target.matches("[data-text]")) {
      const file = Array.from(event.clipboardData.files)[0];
      if (file) {
        event.preventDefault();
        choosePicture(file);
      }
    }
  });

  root.addEventListener("keydown", function (event) {
    if (!event.target.matches("[data-text]")) {
      return;
    }
    // While a Chinese word is being composed, Enter takes the word and sends nothing.
    if (event.isComposing || event.keyCode === 229) {
      return;
    }
    const box = parts.main.querySelector("[data-phrases]");
    if (!box.hidden && ["ArrowDown", "ArrowUp", "Enter", "Escape"].includes(event.key)) {
      const chosen = box.querySelector(".ws-chosen");
      event.preventDefault();
      if (event.key === "Enter" && chosen) {
        takePhrase(chosen);
      } else if (event.key === "Escape" || event.key === "Enter") {
        box.hidden = true;
        event.stopPropagation();
      } else {
        choosePhrase(event.key === "ArrowDown" ? 1 : -1);
      }
      return;
    }
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      send();
    }
  });

  document.addEventListener("keydown", function (event) {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === "Escape") {
      const menu = root.querySelector("details[open]");
      if (menu) {
        menu.open = false;
      } else if (root.classList.contains("ws-show-card")) {
        root.classList.remove("ws-show-card");
      } else if (isTyping) {
        event.target.blur();
      } else if (window.matchMedia("(max-width: 760px)").matches && openId) {
        open("").catch(failed);
      }
    } else if (event.key === "/" && !isTyping) {
      event.preventDefault();
      parts.list.querySelector("[data-search]").focus();
    }
  });

  window.addEventListener("popstate", function () {
    const found = window.location.pathname.match(/(\d+)\/$/);
    open(found ? found[1] : "", true).catch(failed);
  });
  window.addEventListener("focus", function () { refreshSoon(true, true); });
  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState === "visible") {
      refreshAll();
    }
  });
  window.addEventListener("beforeunload", function (event) {
    saveDraft();
    if (inFlight) {
      event.preventDefault();
      event.returnValue = words.leave;
    }
  });
  /* The page itself never scrolls: the workspace fills what the frame leaves. */
  function measure() {
    const box = root.getBoundingClientRect();
    const above = box.top + window.scrollY;
    const below = window.innerWidth > 760 ? 12 : 0;
    root.style.setProperty("--ws-top", Math.round(above + below) + "px");
    const extra = document.documentElement.scrollHeight - window.innerHeight;
    if (extra > 0 && extra < 80) {
      root.style.marginBottom = -extra + "px";
    }
  }
  window.addEventListener("resize", measure);
  window.addEventListener("load", measure);

  measure();
  readClock(parts.list.querySelector(".ws-list"));
  showCurrent();
  showSound();
  showTitle();
  if (desk()) {
    settleDesk();
  }
  tick();
  window.setInterval(tick, 1000);
  // Who looks at the page sits here: said by POST, since opening it changes nothing.
  post(base + "here/").then(function () { refreshSoon(true, false); }, function () {});
  connect();
})();
