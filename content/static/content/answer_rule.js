/* The answer as on a phone, while it is being written. */
(function () {
  "use strict";

  function show(field, preview) {
    const size = new TextEncoder().encode(field.value).length;
    const limit = Number(preview.dataset.limit);
    preview.querySelector("[data-answer-text]").textContent = field.value || "…";
    const figure = preview.querySelector("[data-answer-size]");
    figure.textContent = String(size);
    figure.parentElement.classList.toggle("pd-field-error", size > limit);
  }

  document.addEventListener("DOMContentLoaded", function () {
    const field = document.getElementById("id_reply_text");
    const preview = document.querySelector("[data-answer-preview]");
    if (field && preview) {
      field.addEventListener("input", function () { show(field, preview); });
      show(field, preview);
    }
  });
})();
