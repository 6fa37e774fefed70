// The page's query box, search in columns, and buttons that copy. All text goes in as text, never as markup.
"use strict";

(() => {
  const LONGEST_ADDRESS = 7000;
  const NUMBERS = new Set(["short", "int", "long", "float", "double", "unsignedByte"]);
  const find = (id) => document.getElementById(id);
  const make = (tag, text = "", name = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  for (const node of document.querySelectorAll(".scripted")) node.hidden = false;

  // --- copying -------------------------------------------------------------------------------------------------
  if (navigator.clipboard) {
    for (const block of document.querySelectorAll("#clients pre")) {
      const button = make("button", "Copy");
      button.type = "button";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      const around = make("div", "", "copied");
      block.replaceWith(around);
      around.append(block, button);
    }
  }

  // --- search in columns ---------------------------------------------------------------------------------------
  const search = find("search");
  if (search) {
    const tables = [...document.querySelectorAll("details.table")];
    // A long list is in the way on a phone.
    if (matchMedia("(max-width: 640px)").matches && !location.hash) tables.forEach((table) => { table.open = false; });
    const opened = new Map(tables.map((table) => [table, table.open]));
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const table of tables) {
        let here = 0;
        for (const row of table.querySelectorAll("tbody tr")) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          here += row.hidden ? 0 : 1;
        }
        table.hidden = here === 0;
        table.open = words.length ? here > 0 : opened.get(table);
        n += here;
      }
      find("found").textContent = words.length ? `${n} ${n === 1 ? "column" : "columns"}` : "";
    });
  }

  // --- queries -------------------------------------------------------------------------------------------------
  const form = find("adql");
  if (!form) return;
  const text = find("text");
  const run = find("run");
  const stop = find("stop");
  const status = find("status");
  const error = find("error");
  const result = find("result");
  const files = find("files");
  const plain = find("plain");
  let asked = null;
  plain.hidden = true;

  const examples = [...document.querySelectorAll(".example")].map((link) => {
    const button = make("button", link.textContent, "example");
    button.type = "button";
    button.title = link.title;
    button.addEventListener("click", () => {
      text.value = link.dataset.query;
      text.rows = Math.max(7, text.value.split("\n").length + 1);
      mark();
    });
    link.replaceWith(button);
    return [button, link.dataset.query];
  });
  const mark = () => {
    for (const [button, query] of examples) button.setAttribute("aria-pressed", String(query === text.value));
  };
  text.addEventListener("input", mark);
  mark();

  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(run);
    }
  });
  stop.addEventListener("click", () => asked?.abort());
  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter !== run) return;
    event.preventDefault();
    if (asked === null) ask(text.value, Math.min(2000, Math.max(1, Number(find("rows").value) || 100)));
  });

  async function ask(query, rows) {
    const began = performance.now();
    const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    asked = new AbortController();
    run.disabled = true;
    stop.hidden = false;
    find("answer").hidden = false;
    error.hidden = files.hidden = plain.hidden = true;
    result.replaceChildren();
    status.textContent = "Running …";
    const clock = setInterval(() => { status.textContent = `Running … ${seconds()}`; }, 500);
    try {
      const form_ = { LANG: "ADQL", QUERY: query, MAXREC: String(rows), RESPONSEFORMAT: "votable/td" };
      const response = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(form_), signal: asked.signal,
      });
      show(read(await response.text(), response.status), seconds(), query);
    } catch (problem) {
      if (problem.name === "AbortError") status.textContent = `Stopped after ${seconds()}.`;
      else fail(problem instanceof Told ? problem.message : "The service cannot be reached, or broke off its answer.");
    } finally {
      clearInterval(clock);
      asked = null;
      run.disabled = false;
      stop.hidden = true;
    }
  }

  class Told extends Error {}

  // VOTable, not JSON: identifiers have more digits than JavaScript's numbers.
  function read(answer, code) {
    const document_ = new DOMParser().parseFromString(answer, "application/xml");
    const all = (node, tag) => [...node.getElementsByTagNameNS("*", tag)];
    if (all(document_, "parsererror").length || document_.documentElement.localName !== "VOTABLE") {
      throw new Told(`The service gave no answer that can be shown (HTTP status ${code}).`);
    }
    const infos = all(document_, "INFO").filter((info) => info.getAttribute("name") === "QUERY_STATUS");
    const bad = infos.find((info) => info.getAttribute("value") === "ERROR");
    if (bad) throw new Told(bad.textContent.trim() || `The query failed (HTTP status ${code}).`);
    const fields = all(document_, "FIELD").map((field) => ({
      name: field.getAttribute("name") ?? "",
      // Units that VOUnits does not list stand in quotes.
      unit: (field.getAttribute("unit") ?? "").replace(/^'|'$/g, ""),
      ucd: field.getAttribute("ucd") ?? "",
      number: NUMBERS.has(field.getAttribute("datatype")),
      words: all(field, "DESCRIPTION")[0]?.textContent ?? "",
    }));
    const rows = all(document_, "TR").map((row) => [...row.children].map((cell) => cell.textContent));
    return { fields, rows, overflow: infos.some((info) => info.getAttribute("value") === "OVERFLOW") };
  }

  function show({ fields, rows, overflow }, seconds, query) {
    const table = make("table");
    const head = table.createTHead().insertRow();
    for (const field of fields) {
      const cell = make("th", field.name, field.number ? "number" : "");
      cell.scope = "col";
      cell.title = [field.words, field.ucd].filter(Boolean).join("\n");
      cell.append(make("small", field.unit));
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      row.forEach((value, i) => {
        const missing = value === "" || value === "NaN";
        const cell = make("td", missing ? "–" : value, fields[i]?.number ? "number" : "");
        if (missing) cell.classList.add("null");
        else if (value.length > 60) cell.title = value;
        line.append(cell);
      });
    }
    result.replaceChildren(table);
    result.scrollTo(0, 0);
    const n = rows.length.toLocaleString("en");
    const words = rows.length === 1 ? "1 row" : `${n} rows`;
    status.textContent = overflow ? `The first ${words}, there are more; ${seconds}.` : `${words}, ${seconds}.`;
    offer(query);
  }

  function offer(query) {
    for (const link of files.querySelectorAll("a")) {
      const parameters = new URLSearchParams({ LANG: "ADQL", RESPONSEFORMAT: link.dataset.format, QUERY: query });
      link.href = `${form.action}?${parameters}`;
      link.download = `rvscat.${link.dataset.extension}`;
    }
    const long = files.querySelector("a").href.length > LONGEST_ADDRESS;
    files.hidden = long;
    // Too long for an address: the form's own buttons send it.
    plain.hidden = !long;
  }

  function fail(words) {
    status.textContent = "";
    error.textContent = words;
    error.hidden = false;
  }
})();
