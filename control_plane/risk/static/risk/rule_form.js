// Of the fields that say what a rule looks for, shows those of the chosen kind. What is filled or
// has an error stays in sight, so that nothing wrong is hidden. Without this script all are shown.
document.addEventListener("DOMContentLoaded", () => {
  const kind = document.querySelector("#id_kind[data-fields]");
  if (!kind) return;
  const fieldsOfKind = JSON.parse(kind.dataset.fields);
  const names = [...new Set(Object.values(fieldsOfKind).flat())];

  function isNeeded(name) {
    const input = document.getElementById(`id_${name}`);
    const box = input.closest(".fieldBox") ?? input.closest(".form-row");
    const wanted = fieldsOfKind[kind.value] ?? [];
    return wanted.includes(name) || input.value !== "" || box.querySelector(".errorlist");
  }

  function show() {
    for (const row of document.querySelectorAll(".form-row")) {
      const inside = names.filter((name) => row.querySelector(`#id_${name}`));
      row.hidden = inside.length > 0 && !inside.some(isNeeded);
    }
  }

  kind.addEventListener("change", show);
  show();
});
