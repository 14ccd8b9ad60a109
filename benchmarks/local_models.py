"""How many tokens a second local models write, beside transformers' `generate` (and vLLM); how often company tells.

    python benchmarks/local_models.py [--sizes 1e5,1e6] [--models FOLDER,…] [--batches 1,8,64] [--threads 1,2]
        [--tokens 64] [--repeats 3] [--vllm PYTHON] [--clock wall|cpu]
        [--compared 200]

Without `--models`, folders of the ladder with random weights and a tokenizer fitted on Town (speed does not hang on
what the weights learned). Every program writes from the same Town prompts, drawn at temperature 1, until its end token
or `--tokens`; counted are the tokens written, timed is the whole call, messages to texts. Programs alternate; the best
of the repeats stands, after one of warm-up. `alone`: a single request in a batch of 16 rows that are filled up.
`--vllm`: an interpreter that has vLLM; it loads the same folders.

`--clock cpu` counts the processor's seconds, for machines that do other work meanwhile.

Then: of `--compared` prompts, how many texts come out otherwise in batches of other shapes, greedily and drawn, and how
much the probability of a verdict moves. In batches of one shape: none, whatever the company.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from overseer.models import Chosen, Completion, town_tokenizer
from overseer.models import load as load_model
from overseer.models.local import LocalModel
from overseer.prompts import Choice, Prompt
from overseer.records import Message
from overseer.town import make_task
from overseer.training.ladder import LADDER, build

TEXTS = 2_000
VERDICTS = Choice("", ("approve", "revise", "reject", "escalate"), "")

VLLM = """
import json, os, sys, time
os.environ.update(VLLM_LOGGING_LEVEL="ERROR", HF_HUB_OFFLINE="1")
asked = json.loads(sys.stdin.read())
from vllm import LLM, SamplingParams
room = 1 << 30  # bytes for keys and values; else it asks for nine tenths of the machine
model = LLM(asked["folder"], dtype="float32", max_model_len=1024, kv_cache_memory_bytes=room, disable_log_stats=True)
told = {}
for count in asked["batches"]:
    talks = asked["talks"][:count]
    best = 0.0
    for turn in range(asked["repeats"] + 1):
        settings = SamplingParams(temperature=1.0, max_tokens=asked["tokens"], seed=turn)
        began = time.perf_counter()
        out = model.chat(talks, settings, use_tqdm=False)
        rate = sum(len(each.outputs[0].token_ids) for each in out) / (time.perf_counter() - began)
        best = max(best, rate) if turn else 0.0
    told[count] = best
print("RESULT " + json.dumps(told))
"""


def prompts(count: int, tokens: int, temperature: float = 1.0) -> list[Prompt]:
    tasks = [make_task("bench", "reference", index, index) for index in range(count)]
    return [Prompt(task.messages, tokens, temperature, task.id) for task in tasks]


def make_folders(sizes: Sequence[str], into: Path) -> list[Path]:
    """Models of the ladder with random weights."""
    texts = [make_task("texts", "reference", index, index).text for index in range(TEXTS)]
    tokenizer = town_tokenizer.fit(texts, texts)[-1].tokenizer
    folders = []
    for size in sizes:
        folder = into / size
        tokenizer.save_pretrained(folder)
        build(size, tokenizer, 0, town_tokenizer.LONGEST).save_pretrained(folder)
        folders.append(folder)
    return folders


# --- the programs --------------------------------------------------------------------------------------------------


def ours(folder: Path, rows: int) -> Callable[[Sequence[Prompt]], int]:
    model = _load(folder, rows)

    def write(asked: Sequence[Prompt]) -> int:
        return sum(reply.usage.tokens_out for reply in _complete(model, asked))

    return write


def theirs(folder: Path) -> Callable[[Sequence[Prompt]], int]:
    """`generate` of transformers, on prompts padded to the longest."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def write(asked: Sequence[Prompt]) -> int:
        talks = [_talk(each.messages) for each in asked]
        read = tokenizer.apply_chat_template(
            talks, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            out = model.generate(
                **read, max_new_tokens=asked[0].max_tokens, do_sample=True, top_k=0, pad_token_id=tokenizer.pad_token_id
            )
        written = out[:, read["input_ids"].shape[1] :]
        tokenizer.batch_decode(written)
        ended = (written == tokenizer.eos_token_id).long()
        return int((ended.cumsum(1) - ended == 0).sum())

    return write


def vllm(
    python: str, folder: Path, batches: Sequence[int], tokens: int, repeats: int, threads: int
) -> dict[int, float]:
    """Tokens a second by batch, in the interpreter that has vLLM, on so many cores."""
    talks = [_talk(each.messages) for each in prompts(max(batches), tokens)]
    asked = {"folder": str(folder), "batches": list(batches), "talks": talks, "tokens": tokens, "repeats": repeats}
    cores = ",".join(map(str, range(threads)))
    command = [
        "env",
        f"VLLM_CPU_OMP_THREADS_BIND={cores.replace(',', '-') if threads > 1 else cores}",
        python,
        "-c",
        VLLM,
    ]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    line = next((each for each in done.stdout.splitlines() if each.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(f"vLLM did not answer:\n{done.stderr[-2000:]}")
    return {int(count): rate for count, rate in json.loads(line.removeprefix("RESULT ")).items()}


def _load(folder: Path, rows: int) -> LocalModel:
    model = load_model(f"hf/{folder}", {"rows": rows, "max_batch_tokens": 1_000_000}, "benchmark")
    assert isinstance(model, LocalModel)
    return model


def _complete(model: LocalModel, asked: Sequence[Prompt]) -> list[Completion]:
    async def ask() -> list[Any]:
        return list(await asyncio.gather(*(model.complete(each) for each in asked)))

    replies = asyncio.run(ask())
    assert all(isinstance(reply, Completion) for reply in replies), replies
    return replies


def _talk(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


# --- what is measured ----------------------------------------------------------------------------------------------


def speed(folder: Path, given: argparse.Namespace) -> None:
    import torch

    asked = prompts(max(given.batches), given.tokens)
    clock, second = (process_time, "CPU s") if given.clock == "cpu" else (perf_counter, "s")
    for threads in given.threads:
        torch.set_num_threads(threads)
        other = vllm(given.vllm, folder, given.batches, given.tokens, given.repeats, threads) if given.vllm else {}
        programs = {"transformers": theirs(folder), "alone": ours(folder, 16)}
        programs |= {f"overseer {count}": ours(folder, count) for count in given.batches}
        for count in given.batches:
            names = [f"overseer {count}", "transformers", *(["alone"] if count == 1 else [])]
            best = dict.fromkeys(names, 0.0)
            for turn in range(given.repeats + 1):
                for name in names:
                    began = clock()
                    written = programs[name](asked[:count])
                    best[name] = max(best[name], written / (clock() - began)) if turn else 0.0
            mine, peer = best[names[0]], best["transformers"]
            more = f"  alone {best['alone']:7,.0f}" if count == 1 else ""
            more += f"  vllm {other[count]:7,.0f}" if count in other else ""
            print(
                f"{folder.name}  threads {threads}  batch {count:3}: overseer {mine:7,.0f} tokens/{second}"
                f"  transformers {peer:7,.0f}  ratio {mine / peer:.2f}{more}",
                flush=True,
            )


def company(folder: Path, compared: int) -> None:
    """Texts that come out otherwise where batches have other shapes: the same requests with other `rows`."""
    import torch

    torch.set_num_threads(1)
    drawn = prompts(compared, 32)
    greedy = [replace(each, temperature=0.0) for each in drawn]
    whole = _load(folder, 16)
    print(f"{folder.name}: of {compared} prompts, 32 tokens each, against rows 16, all at once:")
    for name, rows, apart in (("rows 16, asked one by one", 16, True), ("rows 1", 1, False), ("rows 64", 64, False)):
        model = _load(folder, rows)
        counts = []
        for asked in (greedy, drawn):
            before = [reply.text for reply in _complete(whole, asked)]
            after = [_complete(model, [each])[0].text for each in asked] if apart else _texts(model, asked)
            counts.append(sum(one != other for one, other in zip(before, after, strict=True)))
        first, second = _choose(whole, drawn, apart=False), _choose(model, drawn, apart=apart)
        moved = max(abs(one.probability - other.probability) for one, other in zip(first, second, strict=True))
        turned = sum(one.completion.text != other.completion.text for one, other in zip(first, second, strict=True))
        texts = f"greedy {counts[0]:3}  drawn {counts[1]:3}"
        print(f"  {name:26} {texts}  verdicts {turned:3}  probabilities by ≤ {moved:.1e}", flush=True)


def _texts(model: LocalModel, asked: Sequence[Prompt]) -> list[str]:
    return [reply.text for reply in _complete(model, asked)]


def _choose(model: LocalModel, asked: Sequence[Prompt], *, apart: bool) -> list[Chosen]:
    async def ask(some: Sequence[Prompt]) -> list[Any]:
        return list(await asyncio.gather(*(model.choose(each, VERDICTS, 1.0) for each in some)))

    parts = [[each] for each in asked] if apart else [asked]
    found = [chosen for part in parts for chosen in asyncio.run(ask(part))]
    assert all(isinstance(chosen, Chosen) for chosen in found), found
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(each) for each in text.split(",")]  # noqa: E731
    parser.add_argument("--sizes", default="1e5,1e6", help=f"of {', '.join(LADDER)}")
    parser.add_argument("--models", default="", help="folders, instead of sizes")
    parser.add_argument("--batches", type=numbers, default=[1, 8, 64])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vllm", help="an interpreter that has vLLM")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--compared", type=int, default=200, help="prompts; 0: only speed is measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folders = [Path(each) for each in given.models.split(",") if each]
        for folder in folders or make_folders(given.sizes.split(","), Path(made)):
            speed(folder, given)
            if given.compared:
                company(folder, given.compared)


if __name__ == "__main__":
    main()
