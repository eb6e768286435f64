(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try {
      return localStorage.getItem(`sluice-bench-${name}`);
    } catch {
      return null; // a file of its own origin may keep nothing
    }
  };
  const keep = (name, value) => {
    try {
      localStorage.setItem(`sluice-bench-${name}`, value);
    } catch {}
  };
  const speak = (language) => {
    root.lang = language;
    document.title = document.querySelector(`h1 [lang="${language}"]`).textContent;
  };
  speak(kept("language") ?? (navigator.language.startsWith("zh") ? "zh-CN" : "en"));
  const theme = kept("theme");
  if (theme) root.dataset.theme = theme;
  document.getElementById("language").addEventListener("click", () => {
    speak(root.lang === "en" ? "zh-CN" : "en");
    keep("language", root.lang);
  });
  document.getElementById("theme").addEventListener("click", () => {
    const is_dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = is_dark ? "light" : "dark";
    keep("theme", root.dataset.theme);
  });
})();
