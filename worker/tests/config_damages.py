"""What may be wrong with config, tokenizer and template. Importing this module adds to `damages.DAMAGES`."""

import json
from pathlib import Path

from tests.damages import (
    FAR_ID,
    change_config,
    change_json,
    change_text_config,
    change_tokenizer,
    damage,
)
from tests.raw_safetensors import replace


@damage
def config_missing(directory: Path) -> None:
    (directory / "config.json").unlink()


@damage
def config_not_json(directory: Path) -> None:
    replace(directory / "config.json", (directory / "config.json").read_text()[:-10])


@damage
def config_is_a_list(directory: Path) -> None:
    replace(directory / "config.json", "[]")


@damage
def config_with_byte_order_mark(directory: Path) -> None:
    replace(directory / "config.json", b"\xef\xbb\xbf" + (directory / "config.json").read_bytes())


@damage
def config_with_infinity(directory: Path) -> None:
    change_config(directory, some_limit=[0.0, float("inf"), float("nan")])


@damage
def config_without_type(directory: Path) -> None:
    change_config(directory, model_type=...)


@damage
def config_without_field(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    if "text_config" in config:
        change_config(directory, text_config=...)
    else:
        change_config(directory, hidden_size=...)


@damage
def config_with_text_for_a_number(directory: Path) -> None:
    change_text_config(directory, hidden_size="sixty-four")


@damage
def config_without_heads(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    change_text_config(directory, **{"num_heads" if "num_heads" in config else "num_attention_heads": 0})


@damage
def type_unknown(directory: Path) -> None:
    change_config(directory, model_type="glm5_moe")


@damage
def type_of_a_helper(directory: Path) -> None:
    change_config(directory, model_type="base")


@damage
def type_that_exits(directory: Path) -> None:
    change_config(directory, model_type="olmo")


@damage
def type_is_a_number(directory: Path) -> None:
    change_config(directory, model_type=7)


@damage
def type_is_a_path(directory: Path) -> None:
    change_config(directory, model_type="../llama")


@damage
def layers_missing(directory: Path) -> None:
    change_text_config(directory, num_hidden_layers=3)


@damage
def layers_extra(directory: Path) -> None:
    change_text_config(directory, num_hidden_layers=1)


@damage
def model_file(directory: Path) -> None:
    (directory / "custom.py").write_text("raise RuntimeError('must never run')")
    change_config(directory, model_file="custom.py")


@damage
def auto_map_in_config(directory: Path) -> None:
    change_config(directory, auto_map={"AutoConfig": "custom.Config", "AutoModelForCausalLM": "custom.Model"})


@damage
def quantization_is_text(directory: Path) -> None:
    change_config(directory, quantization="4bit")


@damage
def quantization_without_bits(directory: Path) -> None:
    change_config(directory, quantization={"group_size": 64})


@damage
def quantization_of_seven_bits(directory: Path) -> None:
    change_config(directory, quantization={"group_size": 64, "bits": 7})


@damage
def quantization_on_float_weights(directory: Path) -> None:
    change_config(directory, quantization={"group_size": 64, "bits": 4})


@damage
def quantization_config_without_method(directory: Path) -> None:
    change_config(directory, quantization_config={"bits": 4})


@damage
def quantization_config_empty(directory: Path) -> None:
    change_config(directory, quantization_config={})


@damage
def quantization_method_unknown(directory: Path) -> None:
    change_config(directory, quantization_config={"quant_method": "aqlm"})


@damage
def quantization_method_awq_on_float_weights(directory: Path) -> None:
    change_config(directory, quantization_config={"quant_method": "awq", "bits": 4})


@damage
def quantization_fp8_on_float_weights(directory: Path) -> None:
    change_config(directory, quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]})


@damage
def quantization_compressed_fp8(directory: Path) -> None:
    change_config(
        directory, quantization_config={"quant_method": "compressed-tensors", "format": "float-quantized"}
    )


@damage
def generation_config_not_json(directory: Path) -> None:
    replace(directory / "generation_config.json", "{")


@damage
def generation_config_ends_beyond_vocabulary(directory: Path) -> None:
    replace(directory / "generation_config.json", json.dumps({"eos_token_id": FAR_ID}))


@damage
def end_beyond_vocabulary(directory: Path) -> None:
    change_config(directory, eos_token_id=FAR_ID)


@damage
def one_end_of_two_beyond_vocabulary(directory: Path) -> None:
    change_config(directory, eos_token_id=[0, FAR_ID])


@damage
def tokenizer_missing(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()


@damage
def tokenizer_files_all_missing(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    (directory / "tokenizer_config.json").unlink()


@damage
def tokenizer_not_json(directory: Path) -> None:
    content = (directory / "tokenizer.json").read_bytes()
    replace(directory / "tokenizer.json", content[: len(content) // 2])


@damage
def tokenizer_without_model(directory: Path) -> None:
    replace(directory / "tokenizer.json", "{}")


@damage
def tokenizer_config_missing(directory: Path) -> None:
    (directory / "tokenizer_config.json").unlink()


@damage
def tokenizer_config_not_json(directory: Path) -> None:
    replace(directory / "tokenizer_config.json", "{")


@damage
def tokenizer_of_a_larger_vocabulary(directory: Path) -> None:
    content = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.__getitem__)] = FAR_ID
    replace(directory / "tokenizer.json", json.dumps(content))


@damage
def tokenizer_with_an_unused_token_too_many(directory: Path) -> None:
    content = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    content["added_tokens"].append({**content["added_tokens"][0], "id": 320, "content": "<image_soft_token>"})
    replace(directory / "tokenizer.json", json.dumps(content))


@damage
def tokenizer_of_own_code(directory: Path) -> None:
    (directory / "custom.py").write_text("raise RuntimeError('must never run')")
    auto_map = {"AutoTokenizer": ["custom.OwnTokenizer", None]}
    change_tokenizer(directory, tokenizer_class="OwnTokenizer", auto_map=auto_map)


@damage
def tokenizer_of_known_class_with_auto_map(directory: Path) -> None:
    change_tokenizer(directory, auto_map={"AutoTokenizer": ["custom.OwnTokenizer", None]})


@damage
def template_missing(directory: Path) -> None:
    change_tokenizer(directory, chat_template=...)


@damage
def template_cut_off(directory: Path) -> None:
    template = json.loads((directory / "tokenizer_config.json").read_text())["chat_template"]
    change_json(directory / "tokenizer_config.json", chat_template=template[: len(template) // 2])


@damage
def template_with_unknown_filter(directory: Path) -> None:
    change_tokenizer(directory, chat_template="{{ messages | no_such_filter }}")


@damage
def leftover_of_a_download(directory: Path) -> None:
    (directory / "model-00002-of-00002.safetensors.incomplete").write_bytes(b"half")
