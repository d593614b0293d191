/* The content calendar. Times are wall-clock strings of the console's own zone. */
(function () {
  "use strict";

  const NARROW = 700;
  const TOAST_MS = 12000;
  let settings, words, calendar, root, dialog, toast, toastTimer, undo;

  function token() {
    return document.querySelector("input[name=csrfmiddlewaretoken]").value;
  }

  // -- talking to the server

  async function send(address, data) {
    let answer;
    try {
      answer = await fetch(address, {
        method: "POST",
        headers: { "X-CSRFToken": token(), Accept: "application/json" },
        body: data,
      });
    } catch {
      return { isDone: false, message: words.failed };
    }
    if (answer.redirected) {
      window.location.reload();
    }
    let said = {};
    try {
      said = await answer.json();
    } catch {
      // Not our JSON: an error page.
    }
    return Object.assign({ message: words.failed }, said, { isDone: answer.ok });
  }

  async function readEvents(span, done, failed) {
    const query = new URLSearchParams({ start: span.startStr, end: span.endStr });
    const lanes = Array.from(document.querySelectorAll("[name=account]"));
    const chosen = lanes.filter(function (box) { return box.checked; });
    if (chosen.length < lanes.length) {
      // Without any lane: an account that is none, so that no slot comes.
      (chosen.length ? chosen.map(function (box) { return box.value; }) : ["0"]).forEach(
        function (key) { query.append("account", key); });
    }
    try {
      const answer = await fetch(root.dataset.events + "?" + query);
      if (!answer.ok || answer.redirected) {
        throw new Error(String(answer.status));
      }
      done((await answer.json()).entries.filter(isShown).map(asEvent));
    } catch (error) {
      say(words.unread);
      failed(error);
    }
  }

  function isShown(entry) {
    const layer = entry.kind !== "day" ? "" : entry.look === "industry" ? "season" : "day";
    return !layer || document.querySelector("[name=layer][value=" + layer + "]").checked;
  }

  function asEvent(entry) {
    const classes = ["cal-" + entry.kind, "cal-" + entry.kind + "-" + entry.look];
    if (entry.kind === "slot") {
      classes.push("cal-colour-" + entry.colour);
    }
    return Object.assign({}, entry, {
      url: undefined,
      classNames: classes,
      // Every slot can be taken hold of; why one can't move is said when it is dropped.
      startEditable: entry.kind === "slot" && settings.may_plan,
      extendedProps: Object.assign({}, entry),
    });
  }

  // -- how an entry looks

  function drawEntry(info) {
    const entry = info.event.extendedProps;
    const box = document.createElement("div");
    box.className = "cal-entry";
    const isTile = info.view.type !== "listMonth" && entry.kind === "slot";
    box.classList.toggle("cal-tile", isTile);
    if (entry.kind === "slot") {
      const shape = add(box, "span", "cal-shape ct-look-" + entry.look, entry.shape);
      shape.setAttribute("aria-hidden", "true");
      if (info.view.type.indexOf("list") !== 0) {
        add(box, "span", "cal-time", info.timeText);
      }
    }
    if (isTile) {
      add(box, "span", "cal-account", entry.account);
    }
    add(box, "span", "cal-title", entry.title);
    if (entry.kind === "slot" && !isTile) {
      add(box, "span", "cal-account", entry.account);
    }
    return { domNodes: [box] };
  }

  function add(parent, name, className, text) {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    parent.appendChild(made);
    return made;
  }

  function mounted(info) {
    const entry = info.event.extendedProps;
    const said = [info.timeText, entry.title, entry.account, entry.item_kind, entry.state, entry.hint];
    const label = said.filter(Boolean).join(", ");
    info.el.title = label;
    if (entry.kind === "slot" || (entry.kind === "band" && entry.url)) {
      info.el.setAttribute("aria-label", label);
      info.el.setAttribute("role", "button");
      info.el.tabIndex = 0;
      info.el.dataset.entry = entry.id || info.event.id;
      info.el.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          event.stopPropagation();
          opened(info.event);
        }
      });
    }
  }

  function opened(event) {
    const entry = event.extendedProps;
    if (entry.kind === "slot") {
      openDialog(entry.url);
    } else if (entry.kind === "band" && entry.url) {
      window.location.assign(entry.url);
    }
  }

  // -- moving, and taking it back

  async function dropped(info) {
    const entry = info.event.extendedProps;
    if (entry.refusal || info.event.allDay) {
      info.revert();
      say(entry.refusal || words.fixed);
      return;
    }
    const before = wallClock(info.oldEvent);
    const after = wallClock(info.event);
    const answer = await move(entry.url, after, before);
    if (!answer.isDone) {
      info.revert();
      say(answer.message);
      calendar.refetchEvents();
      return;
    }
    offerUndo(entry, before, after, answer.message);
  }

  function wallClock(event) {
    return event.startStr.slice(0, 19);
  }

  function move(address, publishAt, seen) {
    return send(address + "move/", new URLSearchParams({ publish_at: publishAt, seen: seen }));
  }

  function offerUndo(entry, before, after, message) {
    const when = after.slice(5, 16).replace("T", " ");
    say(entry.title + " · " + words.moved + " " + when + " · " + message, async function () {
      const answer = await move(entry.url, before, after);
      say(answer.isDone ? words.undone : answer.message);
      calendar.refetchEvents();
    });
    calendar.refetchEvents();
  }

  function say(text, takeBack) {
    window.clearTimeout(toastTimer);
    undo = takeBack || null;
    toast.querySelector("[data-toast-text]").textContent = text;
    toast.querySelector("[data-toast-undo]").hidden = !undo;
    toast.hidden = false;
    toastTimer = window.setTimeout(hideToast, TOAST_MS);
  }

  function hideToast() {
    toast.hidden = true;
    undo = null;
  }

  function takeBack() {
    const work = undo;
    if (work) {
      undo = null;
      toast.querySelector("[data-toast-undo]").hidden = true;
      work();
    }
  }

  // -- the dialog: a slot, or a new one

  async function openDialog(address) {
    const answer = await fetch(address).catch(function () { return null; });
    if (!answer || !answer.ok || answer.redirected) {
      say(words.unread);
      return;
    }
    dialog.querySelector("[data-dialog-body]").innerHTML = await answer.text();
    if (!dialog.open) {
      dialog.showModal();
    }
  }

  function planDay(day) {
    if (!settings.may_plan) {
      return;
    }
    if (day && day < settings.now.slice(0, 10)) {
      say(words.past);
      return;
    }
    openDialog(root.dataset.plan + "?" + new URLSearchParams({ day: day || "" }));
  }

  async function formSent(event) {
    const form = event.target.closest("[data-calendar-form]");
    if (!form) {
      return;
    }
    event.preventDefault();
    const data = new URLSearchParams(new FormData(form));
    const answer = await send(form.action, data);
    if (!answer.isDone) {
      const place = dialog.querySelector("[data-form-error]");
      place.textContent = answer.message;
      place.hidden = false;
      return;
    }
    dialog.close();
    const event_ = form.dataset.moves && calendar.getEventById("slot-" + form.dataset.moves);
    if (event_) {
      offerUndo(event_.extendedProps, data.get("seen"), answer.publish_at, answer.message);
    } else {
      say(answer.message);
      calendar.refetchEvents();
    }
  }

  // -- keys

  function pressed(event) {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (isTyping || dialog.open || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const act = {
      ArrowLeft: function () { calendar.prev(); },
      ArrowRight: function () { calendar.next(); },
      t: function () { calendar.today(); },
      1: function () { calendar.changeView("dayGridMonth"); },
      2: function () { calendar.changeView("timeGridWeek"); },
      3: function () { calendar.changeView("listMonth"); },
      n: function () { planDay(""); },
      u: takeBack,
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  }

  function views() {
    return {
      dayGridMonth: { buttonText: words.month, dayMaxEvents: 6 },
      timeGridWeek: {
        buttonText: words.week, scrollTime: "07:00:00", height: 780,
        slotDuration: "00:30:00", snapDuration: "00:15:00", slotEventOverlap: false,
      },
      listMonth: { buttonText: words.list },
    };
  }

  function options() {
    return {
      locale: settings.locale,
      timeZone: "Asia/Shanghai",
      now: settings.now,
      nowIndicator: true,
      initialView: window.innerWidth < NARROW ? "listMonth" : "dayGridMonth",
      headerToolbar: { left: "prev,next today", center: "title", right: "dayGridMonth,timeGridWeek,listMonth" },
      // Its own signs are a font in the style sheet, which our pages don't allow.
      buttonIcons: false,
      buttonText: { today: words.today, prev: "‹", next: "›" },
      buttonHints: { prev: words.before, next: words.after, today: words.today },
      views: views(),
      firstDay: 1,
      height: "auto",
      noEventsText: words.empty,
      events: readEvents,
      eventOrder: "order,start,title",
      eventTimeFormat: { hour: "2-digit", minute: "2-digit", hour12: false },
      slotLabelFormat: { hour: "2-digit", minute: "2-digit", hour12: false },
      // A slot is a moment; an hour of height gives its two lines room.
      defaultTimedEventDuration: "01:00",
      eventDurationEditable: false,
      eventContent: drawEntry,
      eventDidMount: mounted,
      eventClick: function (info) { info.jsEvent.preventDefault(); opened(info.event); },
      eventDrop: dropped,
      dateClick: function (info) { planDay(info.dateStr.slice(0, 10)); },
    };
  }

  document.addEventListener("DOMContentLoaded", function () {
    root = document.getElementById("calendar");
    if (!root) {
      return;
    }
    settings = JSON.parse(document.getElementById("calendar-settings").textContent);
    words = settings.words;
    dialog = document.getElementById("calendar-dialog");
    toast = document.getElementById("calendar-toast");
    calendar = new FullCalendar.Calendar(root, options());
    calendar.render();
    document.querySelectorAll(".cal-lanes input").forEach(function (box) {
      box.addEventListener("change", function () { calendar.refetchEvents(); });
    });
    toast.querySelector("[data-toast-undo]").addEventListener("click", takeBack);
    dialog.addEventListener("submit", formSent);
    dialog.addEventListener("click", function (event) {
      if (event.target === dialog || event.target.closest("[data-close]")) {
        dialog.close();
      }
    });
    document.addEventListener("keydown", pressed);
    const button = document.querySelector("[data-plan-today]");
    if (button) {
      button.addEventListener("click", function () { planDay(""); });
    }
    window.addEventListener("beforeprint", function () { calendar.updateSize(); });
  });
})();
