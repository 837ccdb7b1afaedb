/* Moves the progress bars of members/ui.py: asks data-progress for JSON until the work is finished. */
"use strict";
{
    const INTERVAL = 1500;
    const SLOWEST = 15000;
    const ANNOUNCE_EVERY = 10; // per cent: a screen reader shall hear news, not every step

    // As members/ui.py says it.
    function duration(seconds) {
        const whole = Math.max(0, Math.round(seconds));
        const hours = Math.floor(whole / 3600);
        const parts = [[hours, "h"], [Math.floor(whole / 60) % 60, "min"], [hours ? 0 : whole % 60, "s"]];
        return parts.filter(([count]) => count).map(([count, unit]) => `${count}\u00a0${unit}`).join("\u00a0") || "0\u00a0s";
    }

    function follow(box) {
        const part = (name) => box.querySelector(`.progress-${name}`);
        const bar = box.querySelector("progress");
        let wait = INTERVAL;
        let announced = "";

        function announce(job, percent) {
            const news = percent === null
                ? job.label
                : `${job.label}: ${Math.floor(percent / ANNOUNCE_EVERY) * ANNOUNCE_EVERY} %`;
            if (news !== announced) {
                announced = news;
                part("news").textContent = news;
            }
        }

        function show(job) {
            const percent = job.percent ?? (job.total ? 100 * job.done / job.total : null);
            part("label").textContent = job.label;
            bar.setAttribute("aria-label", job.label);
            if (percent === null) {
                bar.removeAttribute("value");
                part("count").textContent = "";
            } else {
                bar.max = 100;
                bar.value = percent;
                part("count").textContent = job.total ? `${job.done} of ${job.total}` : `${Math.round(percent)} %`;
            }
            part("eta").textContent = job.eta_seconds === null || job.eta_seconds === undefined
                ? "" : `about ${duration(job.eta_seconds)} to go`;
            announce(job, percent);
        }

        function finish(job) {
            if (!job.url) {
                location.reload();
                return;
            }
            const link = document.createElement("a");
            link.href = job.url;
            link.textContent = "See the result";
            part("eta").replaceChildren(link);
            box.dataset.state = job.state;
        }

        async function ask() {
            try {
                const answer = await fetch(box.dataset.progress, {headers: {Accept: "application/json"}});
                if (answer.redirected || answer.status === 403) {
                    part("eta").textContent = "You are signed out: reload the page.";
                    return;
                }
                if (!answer.ok) {
                    throw new Error(`HTTP ${answer.status}`);
                }
                const job = await answer.json();
                show(job);
                if (box.dataset.state && job.state !== box.dataset.state && !job.url) {
                    location.reload(); // the rest of the page tells of a state that is over
                    return;
                }
                if (job.finished) {
                    finish(job);
                    return;
                }
                wait = INTERVAL;
            } catch {
                wait = Math.min(2 * wait, SLOWEST);
                part("eta").textContent = "No answer; trying again…";
            }
            setTimeout(ask, wait);
        }

        setTimeout(ask, wait);
    }

    document.querySelectorAll("[data-progress]").forEach(follow);
}
