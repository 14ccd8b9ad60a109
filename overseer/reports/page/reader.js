// One episode as a conversation: what was asked, each draft with what was said of it, and what became of it.

const reader = document.getElementById("reader");
const SEVERITIES = ["a remark", "a flaw", "must not stand", "harmful", "gravely harmful"];
const OUTCOMES = { released: "Released", withheld: "Withheld", unjudged: "Could not judge" };
const LONG = 6000;

function badge(kind, text) {
  return element("span", { class: `badge ${kind}` }, text || kind);
}

// Words as they were written, with their line breaks; dir=auto keeps right-to-left text to itself.
function words(text, kind) {
  const made = element("div", { class: `words ${kind || ""}`, dir: "auto" }, text);
  return text.length > LONG ? folded("A long text", made) : made;
}

function folded(title, ...children) {
  return element("details", {}, element("summary", {}, title), ...children);
}

function renderEpisode(place) {
  const episode = episodeAt(place);
  const parts = [
    ...episode.messages.map(messageOf),
    appealOfTask(episode.line.appeal),
    ...(episode.drafts.length ? [] : [element("p", { class: "note" }, "The policy gave no answer.")]),
    ...episode.drafts.flatMap((draft) => draftAndLooks(episode, draft)),
    ending(episode),
    truth(episode),
    samplesOf(episode),
    rulebookOf(episode),
  ];
  return element("article", { class: "conversation" }, parts);
}

function messageOf(message) {
  return element(
    "section",
    { class: `turn said ${message.role === "assistant" ? "answer" : "asked"}` },
    element("h3", {}, message.role === "user" ? "Asked" : message.role),
    words(message.text),
  );
}

function appealOfTask(appeal) {
  if (!appeal) return null;
  return element(
    "section",
    { class: "turn said asked" },
    element("h3", {}, `Appeal by ${appeal.by}, to be heard from ${appeal.stage} up`),
    words(appeal.because),
    element("p", { class: "soft" }, "What follows begins with the draft, and what was said of it, before the appeal."),
  );
}

// --- drafts ---------------------------------------------------------------------------------------------------------

function draftAndLooks(episode, draft) {
  const looks = episode.evaluations.filter((evaluation) => evaluation.draft === draft.number);
  const findings = numberFindings(looks);
  const asked = [...new Set(draft.principles)];
  const why = asked.length > 3 ? `${asked.length} principles` : asked.join(", ");
  const title = `${draft.number ? "Revision" : "Draft"} ${draft.number + 1} of ${episode.drafts.at(-1).number + 1}`;
  const shown = element(
    "section",
    { class: "turn said answer" },
    element("h3", { title: asked.join(", ") || null }, `${title} · ${draft.author}${why ? ` · revised for ${why}` : ""}`),
    highlighted(draft.text, findings),
  );
  const nobody = looks.length ? [] : [element("p", { class: "note" }, "No stage looked at this draft.")];
  return [shown, ...nobody, ...looks.map((evaluation) => lookAt(evaluation))];
}

// Findings are numbered draft by draft, so that a mark in the text names the finding that rests on it.
function numberFindings(looks) {
  const found = [];
  for (const vote of looks.flatMap((evaluation) => evaluation.votes)) {
    for (const finding of vote.answer.findings) {
      finding.number = found.length + 1;
      found.push(finding);
    }
  }
  return found;
}

// The draft with its evidence marked: cut where any evidence begins or ends, each piece as grave as its gravest finding.
function highlighted(text, findings) {
  const ranges = [];
  for (const finding of findings) {
    const start = finding.evidence ? text.indexOf(finding.evidence) : -1;
    if (start >= 0) ranges.push({ start, end: start + finding.evidence.length, finding });
  }
  if (!ranges.length) return words(text);
  const cuts = [...new Set([0, text.length, ...ranges.flatMap((range) => [range.start, range.end])])];
  cuts.sort((one, other) => one - other);
  const pieces = [];
  for (let place = 0; place + 1 < cuts.length; place += 1) {
    const [start, end] = [cuts[place], cuts[place + 1]];
    const over = ranges.filter((range) => range.start <= start && end <= range.end);
    const piece = text.slice(start, end);
    if (!over.length) {
      pieces.push(piece);
      continue;
    }
    const worst = Math.max(...over.map((range) => range.finding.severity));
    const numbers = over.filter((range) => range.end === end).map((range) => range.finding.number);
    const mark = element("mark", { class: `severity-${worst}`, title: `severity ${worst}: ${SEVERITIES[worst]}` }, piece);
    pieces.push(mark);
    if (numbers.length) pieces.push(element("sup", { class: "numbers" }, numbers.join(",")));
  }
  const made = element("div", { class: "words", dir: "auto" }, pieces);
  return text.length > LONG ? folded("A long text", made) : made;
}

// --- what a stage said ----------------------------------------------------------------------------------------------

function lookAt(evaluation) {
  const { stage } = evaluation;
  return element(
    "section",
    { class: `turn look ${evaluation.action}` },
    element(
      "h3",
      {},
      element("span", { class: "level" }, `Level ${stage.level}`),
      ` ${stage.who} `,
      badge(evaluation.action),
      element("span", { class: "rule" }, " by the rule ", element("code", {}, evaluation.rule)),
    ),
    element("ul", { class: "votes" }, evaluation.votes.map(voteOf)),
    evaluation.strikes.length
      ? element("ul", { class: "strikes", "aria-label": "Conflicts between findings" }, evaluation.strikes.map(strikeOf))
      : null,
  );
}

function voteOf(vote) {
  const { answer } = vote;
  const agent = agents.get(vote.juror);
  const head = [element("b", {}, vote.juror)];
  if (vote.seat) head.push(` (seat ${vote.seat})`);
  if (agent && agent.stakeholder !== null) head.push(` for ${sharedText(agent.stakeholder)}`);
  head.push(" ", badge(vote.cast));
  if (vote.minority) head.push(" ", badge("dissent", "minority report"));
  if (vote.carried) head.push(element("span", { class: "soft" }, " carried over from their own text"));
  const said = { critique: critiqueOf, ruling: rulingOf, failure: failureOf }[answer.kind](vote, agent);
  return element("li", { class: vote.minority ? "minority" : null }, element("p", { class: "who" }, head), said);
}

function critiqueOf(vote) {
  const { answer } = vote;
  const counted = answer.verdict === vote.cast ? "" : ` · said ${answer.verdict}`;
  return [
    element("p", { class: "soft" }, `confidence ${answer.confidence}${counted}`),
    answer.reason ? words(answer.reason, "reason") : null,
    findingsOf(answer.findings),
  ];
}

function rulingOf(vote, agent) {
  const { answer } = vote;
  const who = agent && agent.simulated ? `${answer.person} (a simulated person)` : answer.person;
  return [
    element("p", { class: "soft" }, `${who} ruled ${answer.action} after ${Math.round(answer.seconds)} s`),
    answer.note ? words(answer.note, "reason") : null,
    answer.text === null ? null : folded("Their own text", words(answer.text)),
    findingsOf(answer.findings),
  ];
}

function failureOf(vote) {
  return element("p", { class: "soft", dir: "auto" }, `could not answer (${vote.answer.what}): ${vote.answer.detail}`);
}

function findingsOf(findings) {
  if (!findings.length) return null;
  return element("ol", { class: "findings" }, findings.map((finding) =>
    element(
      "li",
      { value: finding.number, title: principleText(finding.principle) },
      element("code", {}, finding.principle),
      ` severity ${finding.severity}, ${SEVERITIES[finding.severity]}; asks to ${finding.asks}`,
      finding.evidence
        ? element("q", { class: `severity-${finding.severity}`, dir: "auto" }, finding.evidence)
        : element("span", { class: "soft" }, " about the whole answer"),
    )));
}

function strikeOf(strike) {
  const clause = strike.clause ? element("q", { dir: "auto" }, strike.clause) : "the whole answer";
  const [struck, by] = [strike.struck.principle, strike.by.principle];
  const told = strike.equalTiers
    ? [element("code", {}, struck), ` (${strike.struckJuror}) and `, element("code", {}, by), ` (${strike.byJuror})`,
      " are of equal tiers and ask the opposite of "]
    : [element("code", {}, struck), ` (${strike.struckJuror}) is struck by `, element("code", {}, by),
      ` (${strike.byJuror}), which is of a higher tier, on `];
  return element("li", {}, told, clause);
}

function principleText(id) {
  const found = principles.find((principle) => principle.id === id);
  return found ? found.text : "a principle that the constitution does not hold";
}

// --- what became of it ----------------------------------------------------------------------------------------------

function ending(episode) {
  const { line } = episode;
  const by = line.stage === null ? "No stage looked." : `The decision of ${line.decidedBy} stood.`;
  return element(
    "section",
    { class: `turn ending ${line.outcome}` },
    element("h3", {}, `${OUTCOMES[line.outcome]} by the rule `, element("code", {}, line.rule)),
    element("p", {}, by),
  );
}

function truth(episode) {
  if (!episode.last) return null;
  const same = JSON.stringify(episode.first) === JSON.stringify(episode.last);
  return folded(
    "What the ground truth says",
    same || !episode.first ? null : gradeOf(episode.first, "First draft"),
    gradeOf(episode.last, episode.line.outcome === "released" ? "The output" : "Last draft"),
  );
}

function gradeOf(grade, title) {
  const yes = (value) => (value === null ? "not known" : value ? "yes" : "no");
  const number = (value) => (value === null ? "not known" : String(Math.round(value * 1000) / 1000));
  const facts = [
    ["request is benign", yes(grade.benign)],
    ["harm, 0 to 4", number(grade.harm)],
    ["refuses", yes(grade.refused)],
    ["helpfulness, 0 to 1", number(grade.helpfulness)],
    ["correct", yes(grade.correct)],
    ["principles broken", grade.violations.join(", ") || "none"],
    ["norms broken that no principle states", grade.spirit.join(", ") || "none"],
  ];
  const rows = facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return element("div", {}, element("h4", {}, title), element("dl", { class: "facts" }, rows));
}

function samplesOf(episode) {
  if (!episode.samples.length) return null;
  const compared = episode.comparisons.map((one) => {
    const [first, second] = [one.first + 1, one.second + 1];
    const better = one.better === null ? "the two orders disagreed, or one failed" : `${one.better + 1} is better`;
    return element("p", {}, `Sample ${first} against ${second}: ${better}`);
  });
  const others = episode.samples.flatMap((sample, place) => [element("h4", {}, `Sample ${place + 2}`), words(sample.text)]);
  return folded(plural(episode.samples.length, "further sample", "further samples"), compared, others);
}

function rulebookOf(episode) {
  const { rulebook } = episode;
  const rows = rulebook.principles.map((principle) =>
    element(
      "li",
      {},
      element("code", {}, principle.id),
      element("span", { class: "soft" }, ` tier ${principle.tier} `),
      principle.text,
    ));
  return folded(
    `${plural(rulebook.principles.length, "principle", "principles")} in force`,
    element("p", { class: "soft" }, `Layers: ${rulebook.layers.join(", ") || "none"}`),
    rulebook.settled.map((said) => element("p", { class: "soft" }, said)),
    element("ul", { class: "principles" }, rows),
  );
}

// --- opening and closing --------------------------------------------------------------------------------------------

let opened = null;

function openEpisode(place) {
  const line = lines[place];
  opened = place;
  const step = (label, by, key) =>
    element("button", { type: "button", class: "step", onclick: () => stepBy(by), "aria-keyshortcuts": key }, label);
  const title = element("h2", { id: "reader-title", tabindex: "-1" }, line.id);
  const about = [
    `${line.domains.join(" or ")} · risk ${line.risk}`,
    plural(line.drafts, "draft", "drafts"),
    plural(line.looks, "look", "looks"),
    line.minutes ? `${line.minutes} minutes of persons` : null,
  ];
  reader.replaceChildren(
    element(
      "header",
      {},
      element(
        "div",
        { class: "bar" },
        step("← Previous", -1, "ArrowLeft"),
        step("Next →", 1, "ArrowRight"),
        element("button", { type: "button", class: "close", onclick: () => reader.close() }, "Close"),
      ),
      title,
      element("p", { class: "soft" }, badge(line.outcome, OUTCOMES[line.outcome]), " ", about.filter(Boolean).join(" · ")),
    ),
    renderEpisode(place),
  );
  if (!reader.open) reader.showModal();
  document.body.classList.add("reading");
  reader.scrollTop = 0;
  title.focus();
  remember();
}

function stepBy(by) {
  const place = neighbour(opened, by);
  if (place !== null) openEpisode(place);
}

reader.addEventListener("close", () => {
  const place = opened;
  opened = null;
  document.body.classList.remove("reading");
  remember();
  focusLine(place);
});

reader.addEventListener("click", (event) => {
  if (event.target === reader) reader.close();
});

reader.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key === "ArrowLeft") stepBy(-1);
  else if (event.key === "ArrowRight") stepBy(1);
});
