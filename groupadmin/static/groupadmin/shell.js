/* The frame's comforts: a navigation that stays folded, a filter panel that stays open while one filters, and
   lists that become cards on a phone. Everything works without them. */
"use strict";
{
    // At once, not when the page is ready: a folded navigation must not flash up.
    const root = document.documentElement;
    const recall = (name) => JSON.parse(localStorage.getItem(`groupadmin.${name}`) || "null");
    const remember = (name, value) => localStorage.setItem(`groupadmin.${name}`, JSON.stringify(value));
    root.classList.toggle("nav-folded", recall("nav-folded") === true);

    function foldableNavigation() {
        const button = document.querySelector("[data-nav-fold]");
        if (button) {
            const show = () => button.setAttribute("aria-expanded", String(!root.classList.contains("nav-folded")));
            button.hidden = false;
            button.addEventListener("click", () => {
                remember("nav-folded", root.classList.toggle("nav-folded"));
                show();
            });
            show();
        }
        const closed = new Set(recall("nav-closed") || []);
        for (const section of document.querySelectorAll("[data-nav-section]")) {
            const name = section.dataset.navSection;
            section.open = !closed.has(name) || section.querySelector("[aria-current]") !== null;
            section.addEventListener("toggle", () => {
                closed[section.open ? "delete" : "add"](name);
                remember("nav-closed", [...closed]);
            });
        }
    }

    // Every filter is a link that loads the list anew: open the panel again for the next one.
    function lastingFilterPanel() {
        const panel = document.getElementById("filters");
        if (!panel || !panel.showPopover) {
            return;
        }
        const key = "groupadmin.filtering";
        if (sessionStorage.getItem(key) === location.pathname) {
            panel.showPopover();
        }
        sessionStorage.removeItem(key);
        panel.addEventListener("click", (event) => {
            if (event.target.closest("a")) {
                sessionStorage.setItem(key, location.pathname);
            }
        });
    }

    const SHORT = 20; // characters
    const LONG = 45;
    const LONG_WORD = /\S{15}/;

    // On a phone a row becomes a card, whose lines need the names of their columns. On a desk a few words stay in
    // one line and long texts get the room to be read, as far as that fits into the page; a table that is too wide
    // in any case keeps them in one line.
    function labelledCells() {
        const table = document.getElementById("result_list");
        if (!table) {
            return;
        }
        const names = [...table.tHead.rows[0].cells].map((cell) => (cell.querySelector(".text") || cell).innerText.trim());
        for (const row of table.tBodies[0].rows) {
            [...row.cells].forEach((cell, index) => {
                cell.dataset.label = cell.classList.contains("action-checkbox") ? "" : names[index] || "";
                const text = cell.textContent.trim();
                cell.classList.toggle("says-nothing", text === "–");
                cell.classList.toggle("short", text.length <= SHORT && !LONG_WORD.test(text));
                cell.classList.toggle("long", text.length > LONG);
            });
        }
        table.classList.add("labelled");
        const fits = (looks) => {
            table.dataset.looks = looks;
            return table.scrollWidth <= table.parentElement.clientWidth;
        };
        if (!["roomy", "snug", "close", "tight"].some(fits)) {
            table.dataset.looks = "snug";
        }
    }

    // django-import-export wires this box with an inline handler, which a strict CSP keeps from running.
    function exportSelectAll() {
        const all = document.querySelector("input.select-toggle");
        all?.addEventListener("change", () => {
            for (const box of document.querySelectorAll(".selectable-field-export-row input[type=checkbox]")) {
                box.checked = all.checked;
            }
        });
    }

    document.addEventListener("DOMContentLoaded", () => {
        foldableNavigation();
        lastingFilterPanel();
        labelledCells();
        exportSelectAll();
    });
}
