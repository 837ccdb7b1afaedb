/* Shows every <time data-local> in the reader's own time zone; UTC stays in its title. What has a data-until says
   how much time is left until that moment, to the minute. */
"use strict";
{
    const clock = new Intl.DateTimeFormat("en", {
        day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });

    // As members/ui.py has it: "21 Nov 2026, 16:43".
    function written(moment) {
        const part = Object.fromEntries(clock.formatToParts(moment).map(({type, value}) => [type, value]));
        return `${part.day} ${part.month} ${part.year}, ${part.hour}:${part.minute}`;
    }

    for (const element of document.querySelectorAll("time[data-local]")) {
        const moment = new Date(element.dateTime);
        if (!Number.isNaN(moment.getTime())) {
            element.textContent = written(moment);
        }
    }

    const limits = document.querySelectorAll("[data-until]");
    function tellTimeLeft() {
        for (const element of limits) {
            const minutes = Math.floor((new Date(element.dataset.until) - Date.now()) / 60_000);
            element.textContent = minutes < 0 ? "(over)" : `(${minutes || "less than 1"} min left)`;
        }
    }
    if (limits.length) {
        tellTimeLeft();
        setInterval(tellTimeLeft, 5000);
    }
}
