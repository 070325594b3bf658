"""Loading: what works, and one clear error for everything that cannot."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from unitconv.inference.load.adapter import load_adapter, trained_prompt
from unitconv.inference.load.device import pick_device, pick_dtype
from unitconv.inference.load.errors import ModelError
from unitconv.inference.load.model import load_model

CPU = torch.device("cpu")
WEIGHTS = "model.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# What one finds in place of weights after a clone without Git LFS.
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\nsize 11000000\n"


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of a good model folder, to be spoilt."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture(scope="session")
def adapter_folder(
    tmp_path_factory: pytest.TempPathFactory,
    make_model: Callable[..., Any],
) -> Path:
    """A LoRA adapter that changes what the tiny model says."""
    config = LoraConfig(r=4, target_modules=["q_proj", "down_proj"])
    wrapped = get_peft_model(make_model(), config)
    torch.manual_seed(1)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:  # starts at zero, which changes nothing
            torch.nn.init.normal_(parameter, std=0.5)
    where = tmp_path_factory.mktemp("adapters") / "lora"
    wrapped.save_pretrained(str(where))
    return where


@pytest.fixture
def adapter(adapter_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapter_folder, tmp_path / "adapter"))


def edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


# ------------------------------------------------------ device and dtype


@pytest.mark.parametrize(
    "device", ["gpu", "", "cuda:99", "meta", "tpu", "hpu"]
)
def test_a_device_that_is_not_here(device: str) -> None:
    with pytest.raises(ModelError, match="no device") as caught:
        pick_device(device)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((7, 5), torch.float16), ((8, 0), torch.bfloat16)],
)
def test_bfloat16_only_where_it_is_computed(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(
        torch.cuda, "get_device_capability", lambda _: capability
    )
    assert pick_dtype(torch.device("cuda")) is dtype
    assert pick_dtype(torch.device("cuda"), "float32") is torch.float32


def test_dtype_elsewhere_and_by_name() -> None:
    assert pick_dtype(CPU) is torch.float32
    assert pick_dtype(torch.device("mps")) is torch.float32
    assert pick_dtype(CPU, "bfloat16") is torch.bfloat16
    assert pick_dtype(CPU, "float16") is torch.float16
    assert pick_dtype(CPU, torch.float64) is torch.float64
    with pytest.raises(ModelError, match="float32, bfloat16, float16"):
        pick_dtype(CPU, "int8")


# ----------------------------------------------------------------- models


def test_a_saved_model_comes_back(
    model_folder: Path, tiny_model: Any, byte_tokenizer: Any
) -> None:
    model, tokenizer = load_model(str(model_folder), CPU)
    saved = tiny_model.state_dict()
    assert model.state_dict().keys() == saved.keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, saved[name]), name
    assert not model.training
    assert tokenizer.get_vocab() == byte_tokenizer.get_vocab()
    assert tokenizer.chat_template == byte_tokenizer.chat_template


@pytest.mark.parametrize(
    "name",
    ["nobody/has-this-model", "coarse", "not a name/at all", "a/b/c"],
)
def test_an_unknown_name_gives_advice(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(name, CPU)
    message = str(caught.value)
    assert repr(name) in message
    assert "'course'" in message
    assert "SmolLM2-360M-Instruct" in message
    assert "\n" not in message


def test_code_in_a_model_folder_is_never_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does anyone get asked whether it may be."""
    ran = tmp_path / "ran"
    (folder / "theirs.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "from transformers import LlamaConfig as Config\n"
        "from transformers import LlamaForCausalLM as Model\n"
    )
    classes = {
        "AutoConfig": "theirs.Config",
        "AutoModelForCausalLM": "theirs.Model",
    }
    edit_json(folder / "config.json", model_type="x", auto_map=classes)

    def say_yes(*_: object) -> str:
        pytest.fail("the user was asked to allow foreign code")

    monkeypatch.setattr("builtins.input", say_yes)
    with pytest.raises(ModelError):
        load_model(str(folder), CPU)
    assert not ran.exists()


def write(name: str, content: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(content)

    return spoil


def halve(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])

    return spoil


def change(name: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / name, **changes)


def rename(name: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).rename(folder / new)


def drop_tensor(name: str, tensor: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / name)
        del tensors[next(n for n in tensors if tensor in n)]
        save_file(tensors, folder / name, metadata={"format": "pt"})

    return spoil


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (write("config.json", "{,}"), r"config\.json"),
        (change("config.json", model_type="none-such"), "none-such"),
        (write(WEIGHTS, LFS_POINTER), "header"),
        (halve(WEIGHTS), "incomplete"),
        (drop_tensor(WEIGHTS, "1.mlp.up"), "1 are missing.*1.mlp.up_proj"),
        (change("config.json", num_hidden_layers=3), "9 are missing"),
        (change("config.json", intermediate_size=64), "another shape"),
        (change("config.json", num_attention_heads=0), "by zero"),
        (write("config.json", "[]"), "cannot load a model"),
        (write("config.json", "[" * 10**5), "cannot load a model"),
        (write("tokenizer.json", "{"), "line 1"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer"),
        (rename(WEIGHTS, "pytorch_model.bin"), "can run code"),
    ],
)
def test_a_spoilt_folder(
    folder: Path,
    spoil: Callable[[Path], object],
    told: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(folder)
    caplog.set_level("WARNING")
    monkeypatch.setattr(
        logging.getLogger("transformers"), "propagate", True
    )
    with pytest.raises(ModelError, match=told) as caught:
        load_model(str(folder), CPU)
    assert folder.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caplog.messages == []  # the error says it all


# --------------------------------------------------------------- adapters


@torch.inference_mode()
def test_an_adapter_is_the_low_rank_update_it_says(
    make_model: Callable[..., Any], adapter_folder: Path
) -> None:
    """W + B A * alpha / r, written into the weights by hand."""
    loaded = load_adapter(make_model(), adapter_folder)
    by_hand = make_model()
    stored = load_file(adapter_folder / ADAPTER_WEIGHTS)
    settings = json.loads(
        (adapter_folder / "adapter_config.json").read_text()
    )
    scale = settings["lora_alpha"] / settings["r"]
    for name, a in stored.items():
        if ".lora_A." in name:
            b = stored[name.replace("lora_A", "lora_B")]
            inside = name.removeprefix("base_model.model.")
            target = inside.removesuffix(".lora_A.weight")
            by_hand.get_submodule(target).weight += b @ a * scale
    ids = torch.tensor([[5, 6, 7, 8]])
    plain = make_model()(ids).logits
    torch.testing.assert_close(
        loaded(ids).logits, by_hand(ids).logits, rtol=1e-4, atol=1e-4
    )
    assert (by_hand(ids).logits - plain).abs().max() > 0.1
    assert not loaded.training


@pytest.mark.parametrize(
    "other",
    [
        {"hidden_size": 128},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
    ],
)
def test_an_adapter_of_another_model(
    adapter: Path, make_model: Callable[..., Any], other: dict[str, int]
) -> None:
    """Wider is an error to PEFT; deeper it fills up and warns about."""
    with pytest.raises(ModelError, match="trained for another one") as told:
        load_adapter(make_model(**other), adapter)
    assert str(adapter) in str(told.value)
    assert "\n" not in str(told.value)


BROKEN = '{"peft_type": "LORA",\n "r": 4,,\n}'


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            write("adapter_config.json", BROKEN),
            r"adapter_config\.json: line 2, column \d+: this is not JSON",
        ),
        (write("adapter_config.json", ""), r"config\.json: line 1"),
        (
            write("adapter_config.json", "[]"),
            r"config\.json: .*JSON obj",
        ),
        (write("adapter_config.json", "[" * 10**5), r"json: .*recursion"),
        (write("adapter_config.json", "{}"), r"config\.json: .*peft_type"),
        (change("adapter_config.json", peft_type="X"), "does not fit"),
        (change("adapter_config.json", target_modules=["x"]), "modules"),
        (write(ADAPTER_WEIGHTS, LFS_POINTER), "header"),
        (halve(ADAPTER_WEIGHTS), "incomplete"),
        (drop_tensor(ADAPTER_WEIGHTS, "1.mlp"), r"1\.mlp\.down_proj"),
        (rename(ADAPTER_WEIGHTS, "adapter_model.bin"), "can run code"),
        (rename("adapter_config.json", "x"), r"adapter_config\.json"),
    ],
)
def test_a_spoilt_adapter(
    adapter: Path,
    make_model: Callable[..., Any],
    spoil: Callable[[Path], object],
    told: str,
) -> None:
    spoil(adapter)
    with pytest.raises(ModelError, match=told) as caught:
        load_adapter(make_model(), adapter)
    assert str(adapter) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_adapter_of_a_base_with_another_name(
    adapter: Path, make_model: Callable[..., Any]
) -> None:
    """Its shapes fit, so only the recorded names can tell."""
    edit_json(adapter / "adapter_config.json", base_model_name_or_path="a")
    model = make_model()
    model.weights_name = "b"
    with pytest.warns(UserWarning, match="trained on 'a'.* model is 'b'"):
        load_adapter(model, adapter)
    model = make_model()
    model.weights_name = "a"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_adapter(model, adapter)


def test_an_adapter_knows_the_prompt_of_its_training(
    adapter: Path,
) -> None:
    assert trained_prompt(adapter) == "raw"
    record = adapter / "run.json"
    record.write_text('{"prompt": "chat"}')
    assert trained_prompt(adapter) == "chat"
    record.write_text('{"prompt": ')
    with pytest.raises(ModelError, match=r"run\.json"):
        trained_prompt(adapter)


HUB = "owner/model"
FIRST, SECOND = f"{HUB}@{'a' * 40}", f"{HUB}@{'b' * 40}"


@pytest.mark.parametrize(
    ("base", "revision", "name", "warns"),
    [
        ("course", None, "course", False),
        ("course", None, "smollm2-q4_1", True),
        (HUB, "a" * 40, FIRST, False),
        (HUB, "a" * 40, SECOND, True),
        (HUB, None, SECOND, False),  # of every commit
        (None, None, "course", False),
        ("/some/folder", None, "course", False),  # a folder may hold it
        ("course", None, "/some/folder", False),
    ],
)
def test_bases_are_compared_by_name_and_commit(
    adapter: Path,
    make_model: Callable[..., Any],
    base: str | None,
    revision: str | None,
    name: str,
    warns: bool,
) -> None:
    edit_json(
        adapter / "adapter_config.json",
        base_model_name_or_path=base,
        revision=revision,
    )
    model = make_model()
    model.weights_name = name
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_adapter(model, adapter)
    assert bool(caught) == warns, caught
