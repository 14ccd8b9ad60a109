"use strict";

// What the page holds: rows as objects with the names that `shapes` gives, texts by number, chunks when first needed.
// All text from a run enters the document through `textContent` only: nothing here is ever parsed as HTML.

function block(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

const shared = block("shared");

function named(shape, row) {
  if (row === null) return null;
  const found = {};
  shared.shapes[shape].forEach((name, place) => {
    found[name] = row[place];
  });
  return found;
}

function sharedText(number) {
  return shared.texts[number];
}

const stages = shared.stages.map((row) => {
  const stage = named("stage", row);
  return { who: stage.who.map(sharedText).join(", "), level: stage.level };
});

const agents = new Map();
for (const row of shared.agents) {
  const agent = named("agent", row);
  agents.set(sharedText(agent.name), agent);
}

const principles = shared.principles.map((row) => {
  const principle = named("principle", row);
  return {
    id: sharedText(principle.id),
    text: sharedText(principle.text),
    why: sharedText(principle.why),
    tier: principle.tier,
    stakeholder: principle.stakeholder === null ? null : sharedText(principle.stakeholder),
  };
});

const lines = shared.lines.map((row, place) => {
  const line = named("line", row);
  line.place = place;
  line.id = sharedText(line.id);
  line.asked = sharedText(line.asked);
  line.rule = sharedText(line.rule);
  line.decidedBy = line.stage === null ? "nobody" : stages[line.stage].who;
  line.domains = line.domains.map(sharedText);
  line.appeal = appealOf(line.appeal);
  return line;
});

function appealOf(row) {
  const appeal = named("appeal", row);
  return appeal && { by: sharedText(appeal.by), because: sharedText(appeal.because), stage: stages[appeal.stage].who };
}

const placeOf = new Map(lines.map((line) => [line.id, line.place]));

// --- whole episodes -------------------------------------------------------------------------------------------------

const chunks = new Map();

function chunk(number) {
  if (!chunks.has(number)) chunks.set(number, block(`chunk-${number}`));
  return chunks.get(number);
}

function episodeAt(place) {
  const held = chunk(Math.floor(place / shared.chunk));
  const text = (number) => (number === null ? null : held.texts[number]);
  const episode = named("episode", held.episodes[place % shared.chunk]);
  const finding = (row) => {
    const found = named("finding", row);
    return { ...found, principle: text(found.principle), evidence: text(found.evidence) };
  };
  const draft = (row) => {
    const found = named("draft", row);
    const asked = found.principles.map(text);
    return { ...found, text: text(found.text), author: text(found.author), principles: asked };
  };
  const grade = (row) => {
    const found = named("grade", row);
    return found && { ...found, violations: found.violations.map(text), spirit: found.spirit.map(text) };
  };
  return {
    ...episode,
    line: lines[place],
    messages: episode.messages.map((row) => {
      const message = named("message", row);
      return { role: text(message.role), text: text(message.text) };
    }),
    rulebook: rulebookAt(episode.rulebook),
    drafts: episode.drafts.map(draft),
    samples: episode.samples.map(draft),
    comparisons: episode.comparisons.map((row) => named("comparison", row)),
    evaluations: episode.evaluations.map((row) => evaluationOf(row, text, finding)),
    first: grade(episode.first),
    last: grade(episode.last),
  };
}

function evaluationOf(row, text, finding) {
  const evaluation = named("evaluation", row);
  evaluation.rule = text(evaluation.rule);
  evaluation.stage = stages[evaluation.stage];
  evaluation.votes = evaluation.votes.map((held) => {
    const vote = named("vote", held);
    vote.juror = text(vote.juror);
    vote.answer = answerOf(vote.answer, text, finding);
    return vote;
  });
  evaluation.strikes = evaluation.strikes.map((held) => {
    const strike = named("strike", held);
    return {
      ...strike,
      clause: text(strike.clause),
      struck: finding(strike.struck),
      struckJuror: text(strike.struckJuror),
      by: finding(strike.by),
      byJuror: text(strike.byJuror),
    };
  });
  return evaluation;
}

function answerOf(row, text, finding) {
  const answer = named(row[0], row);
  answer.findings = (answer.findings || []).map(finding);
  for (const name of ANSWER_TEXTS) {
    if (answer[name] !== undefined) answer[name] = text(answer[name]);
  }
  return answer;
}

function rulebookAt(number) {
  const rulebook = named("rulebook", shared.rulebooks[number]);
  return {
    layers: rulebook.layers.map(sharedText),
    settled: rulebook.settled.map(sharedText),
    principles: rulebook.principles.map((place) => principles[place]),
  };
}

// --- finding words --------------------------------------------------------------------------------------------------

// Every text of a chunk stands once in its table: looking there first is faster than going through the episodes.
const haystacks = new Map();

function haystack(number) {
  if (!haystacks.has(number)) {
    const held = chunk(number);
    const used = held.episodes.map((row) => {
      const numbers = new Set();
      textsIn(named("episode", row), numbers);
      return numbers;
    });
    haystacks.set(number, { texts: held.texts.map((text) => text.toLowerCase()), used });
  }
  return haystacks.get(number);
}

const ANSWER_TEXTS = ["reason", "person", "note", "text", "detail"];

// The numbers of an episode's texts.
function textsIn(episode, into) {
  const add = (shape, rows, ...names) => {
    for (const row of rows) {
      const held = named(shape, row);
      for (const name of names) [held[name]].flat().forEach((number) => into.add(number));
    }
  };
  add("message", episode.messages, "text");
  add("draft", [...episode.drafts, ...episode.samples], "text", "author");
  add("evaluation", episode.evaluations, "rule");
  for (const row of episode.evaluations) {
    const { votes } = named("evaluation", row);
    add("vote", votes, "juror");
    for (const vote of votes) {
      const { answer } = named("vote", vote);
      add(answer[0], [answer], ...ANSWER_TEXTS.filter((name) => shared.shapes[answer[0]].includes(name)));
      add("finding", named(answer[0], answer).findings || [], "principle", "evidence");
    }
  }
  add("grade", [episode.first, episode.last].filter(Boolean), "violations", "spirit");
}

// The places of the episodes that hold the words, in any of their texts or in their id.
function placesThatSay(words) {
  const wanted = words.toLowerCase();
  const found = new Set();
  const count = Math.ceil(lines.length / shared.chunk);
  for (let number = 0; number < count; number += 1) {
    const { texts, used } = haystack(number);
    const saying = new Set();
    texts.forEach((text, place) => {
      if (text.includes(wanted)) saying.add(place);
    });
    used.forEach((numbers, offset) => {
      const place = number * shared.chunk + offset;
      const { id, appeal } = lines[place];
      const first = appeal ? `${id}\n${appeal.by}\n${appeal.because}` : id;
      if (first.toLowerCase().includes(wanted)) found.add(place);
      else for (const text of numbers) {
        if (saying.has(text)) {
          found.add(place);
          break;
        }
      }
    });
  }
  return found;
}

// --- elements -------------------------------------------------------------------------------------------------------

// The only maker of elements: children are elements or texts; a text becomes a text node.
function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

function plural(count, one, many) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
