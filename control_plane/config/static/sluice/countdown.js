// Turns every <time data-countdown> into the time that is left, once a second. Without this script
// the moment itself is read there.
document.addEventListener("DOMContentLoaded", () => {
  const clocks = [...document.querySelectorAll("time[data-countdown]")];
  const two = (number) => String(number).padStart(2, "0");

  function left(until) {
    const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
    const days = Math.floor(seconds / 86_400);
    const clock = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
    return `${days ? `${days} d ` : ""}${clock.map(two).join(":")}`;
  }

  function show() {
    for (const clock of clocks) {
      clock.title ||= clock.textContent;
      clock.textContent = left(Date.parse(clock.dateTime));
    }
  }

  if (clocks.length === 0) return;
  show();
  setInterval(show, 1000);
});
