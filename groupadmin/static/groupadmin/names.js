/* Names for the controls that scripts of Django and its packages put in the place of plain ones, which have a label
   of their own: choices to search in (select2), and the two boxes of a choice of many. A screen reader would
   otherwise call them "combobox" and nothing else. */
"use strict";
{
    function nameChoice(select) {
        const [label] = select.labels;
        const shown = select.nextElementSibling?.querySelector(".select2-selection");
        if (!label || !shown) {
            return;
        }
        label.id ||= `${select.id}_label`;
        for (const part of [shown, ...shown.querySelectorAll("[role=textbox]")]) {
            const own = part.getAttribute("aria-labelledby") || "";
            if (!own.split(" ").includes(label.id)) {
                part.setAttribute("aria-labelledby", `${label.id} ${own}`.trim());
            }
        }
        shown.querySelector(".select2-search__field")?.setAttribute("aria-label", label.innerText.trim());
    }

    function nameEverything() {
        document.querySelectorAll("select.select2-hidden-accessible").forEach(nameChoice);
        for (const hint of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) {
            hint.setAttribute("role", "img");
        }
    }

    // Those scripts run when they like, and again for every row that is added to a form.
    const isControl = (node) => node.nodeType === Node.ELEMENT_NODE
        && (node.matches(".select2-container, .selector") || node.querySelector(".select2-container, .help-tooltip"));
    new MutationObserver((changes) => {
        if (changes.some(({addedNodes}) => [...addedNodes].some(isControl))) {
            nameEverything();
        }
    }).observe(document.body, {childList: true, subtree: true});
    nameEverything();

    // The box to search in comes and goes with the list of choices.
    document.addEventListener("focusin", ({target}) => {
        if (target.matches(".select2-search__field:not([aria-label])")) {
            target.setAttribute("aria-label", "Search");
        }
    });
}
