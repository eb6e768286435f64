// The operators' page: its state is fetched every second, its buttons answer without a reload.
document.addEventListener("DOMContentLoaded", () => {
  const EVERY_MS = 1000;
  // An answer that takes longer than this is none: a newer one is asked for.
  const ANSWER_MS = 5000;
  const LOST_AFTER = 3;

  const box = document.getElementById("console");
  const done = document.querySelector(".console-done");
  const lost = document.querySelector(".console-lost");
  const names = read("console-names");
  const grave = read("console-grave");
  let failures = 0;

  function read(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : {};
  }

  function countDown() {
    const two = (number) => String(number).padStart(2, "0");
    for (const clock of box.querySelectorAll("time[data-countdown]")) {
      const left = Math.max(0, Math.round((Date.parse(clock.dateTime) - Date.now()) / 1000));
      const days = Math.floor(left / 86_400);
      const parts = [Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60, left % 60];
      clock.textContent = `${days ? `${days} d ` : ""}${parts.map(two).join(":")}`;
    }
  }

  async function refresh() {
    try {
      const answer = await fetch(box.dataset.state, { signal: AbortSignal.timeout(ANSWER_MS), redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      // A button that has the focus would lose it.
      if (!box.contains(document.activeElement)) box.innerHTML = html;
      failures = 0;
    } catch {
      failures += 1;
    }
    lost.hidden = failures < LOST_AFTER;
    countDown();
  }

  async function keepFresh() {
    await refresh();
    setTimeout(keepFresh, EVERY_MS);
  }

  async function post(url, body) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token }, redirect: "error" });
    return await answer.json();
  }

  async function say(text) {
    done.textContent = text;
    done.hidden = false;
    document.activeElement?.blur();
    await refresh();
  }

  function showErrors(form, errors) {
    for (const line of form.querySelectorAll(".field-error")) {
      const said = errors[line.dataset.field] ?? [];
      line.textContent = said.join(" ");
      line.hidden = said.length === 0;
    }
  }

  // What has to be typed follows the value and the place that are chosen.
  function follow(form) {
    const name = form.action.match(/\/throw\/([a-z_]+)\/$/)?.[1];
    const confirm = form.querySelector(".confirm");
    if (!(name && confirm)) return;
    const value = form.elements.value.value;
    const isGrave = (grave[name] ?? []).some((one) => one.toLowerCase() === value.toLowerCase());
    confirm.hidden = !isGrave;
    confirm.querySelector(".expected").textContent = names[form.elements.where.value] ?? "";
  }

  function submitted(event, form) {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    post(form.action, new FormData(form))
      .then(async (said) => {
        if (said.done) {
          form.closest("dialog").close();
          form.reset();
          await say(said.done);
        } else {
          showErrors(form, said.errors ?? { __all__: [said.refused] });
        }
      })
      // Whether it was done is not known: the state says it.
      .catch(() => showErrors(form, { __all__: [lost.textContent] }))
      .finally(() => {
        button.disabled = false;
      });
  }

  for (const form of document.querySelectorAll(".console-dialog form")) {
    form.addEventListener("submit", (event) => submitted(event, form));
    form.addEventListener("change", () => follow(form));
    form.addEventListener("input", () => follow(form));
    form.querySelector(".console-cancel").type = "button";
    form.querySelector(".console-cancel").addEventListener("click", () => form.closest("dialog").close());
  }

  box.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.dialog) {
      const dialog = document.getElementById(button.dataset.dialog);
      const form = dialog.querySelector("form");
      form.reset();
      if (button.dataset.action) form.action = button.dataset.action;
      const what = dialog.querySelector(".what");
      if (what) what.textContent = button.dataset.what;
      showErrors(form, {});
      follow(form);
      dialog.showModal();
    }
  });

  countDown();
  setTimeout(keepFresh, EVERY_MS);
});
