/* Moves the progress bars of members/ui.py: asks data-progress for JSON until the work is finished. */
"use strict";
{
    const INTERVAL = 1500;
    const SLOWEST = 15000;
    const ANNOUNCE_EVERY = 10; // per cent: a screen reader shall hear news, not every step

    // Both as members/ui.py has them.
    function number(count) {
        return count.toLocaleString("en");
    }

    function duration(seconds) {
        const whole = Math.max(0, Math.round(seconds));
        const hours = Math.floor(whole / 3600);
        const parts = [[hours, "h"], [Math.floor(whole / 60) % 60, "min"], [hours ? 0 : whole % 60, "s"]];
        return parts.filter(([count]) => count).map(([count, unit]) => `${count}\u00a0${unit}`).join("\u00a0") || "0\u00a0s";
    }

    /* Counts down between the answers, each of which estimates anew. While work goes on, an estimate that grew is
       no news, so the end only moves closer; when it has passed, or nobody can tell, nothing is said. */
    function countdown(element) {
        let end = null;
        let timer = null;
        let what = "";

        function tick() {
            const left = (end - performance.now()) / 1000;
            element.textContent = left > 0 ? `about ${duration(Math.ceil(left))} ${what}` : "";
        }

        function say(...nodes) {
            clearInterval(timer);
            end = timer = null;
            element.replaceChildren(...nodes);
        }

        function expect(seconds, words = "to go") {
            what = words;
            if (seconds === null || seconds === undefined) {
                say();
                return;
            }
            end = Math.min(end ?? Infinity, performance.now() + 1000 * seconds);
            timer ??= setInterval(tick, 1000);
            tick();
        }

        return {expect, say};
    }

    /* Whoever is about to decide something ("Stop…") is not interrupted: the page loads anew afterwards. */
    function isReaderDeciding() {
        return document.querySelector("details.ask[open]") !== null;
    }

    function follow(box) {
        const part = (name) => box.querySelector(`.progress-${name}`);
        const bar = box.querySelector("progress");
        const eta = countdown(part("eta"));
        const live = document.getElementById(box.dataset.live);
        let shown = null;
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
                part("count").textContent = job.total ? `${number(job.done)} of ${number(job.total)}` : `${Math.round(percent)} %`;
            }
            eta.expect(job.eta_seconds, job.eta_words);
            announce(job, percent);
            showLive(job.html);
        }

        // Left alone while it says the same: whoever marks a word in it shall keep the mark.
        function showLive(html) {
            if (live && html !== undefined && html !== shown) {
                live.innerHTML = shown = html;
            }
        }

        function finish(job) {
            if (!job.url) {
                location.reload();
                return;
            }
            const link = document.createElement("a");
            link.href = job.url;
            link.textContent = "See the result";
            eta.say(link);
            box.dataset.state = job.state;
        }

        async function ask() {
            try {
                const answer = await fetch(box.dataset.progress, {headers: {Accept: "application/json"}});
                if (answer.redirected || answer.status === 403) {
                    eta.say("You are signed out: reload the page.");
                    return;
                }
                if (!answer.ok) {
                    throw new Error(`HTTP ${answer.status}`);
                }
                const job = await answer.json();
                show(job);
                const isOver = box.dataset.state && job.state !== box.dataset.state && !job.url;
                if ((isOver || job.finished) && !isReaderDeciding()) {
                    if (job.finished) {
                        finish(job);
                    } else {
                        location.reload(); // the rest of the page tells of a state that is over
                    }
                    return;
                }
                wait = INTERVAL;
            } catch {
                wait = Math.min(2 * wait, SLOWEST);
                eta.say("No answer; trying again…");
            }
            setTimeout(ask, wait);
        }

        setTimeout(ask, wait);
    }

    document.querySelectorAll("[data-progress]").forEach(follow);
}
