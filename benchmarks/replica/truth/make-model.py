"""A model small enough for a CPU: a two-layer Qwen2 with seeded random weights and a tokenizer
trained on Python's own library. Its text is nonsense; what a server does around it is real.

    python make-model.py FOLDER
"""

import glob
import json
import os
import sys
import sysconfig

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
end_of_text, im_start, im_end = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Qwen's ids follow from this order: 0 is padding, 2 ends an answer.
special = [end_of_text, im_start, im_end, "<tool_call>", "</tool_call>"]

# One line a message in Qwen's form; tools are listed in the first system message.
template = """
{%- set first = messages[0].content if messages[0].role == 'system' else '' -%}
{%- if first or tools -%}
{{ '<|im_start|>system\\n' + first }}
{%- if tools -%}{{ '\\n<tools>' }}{%- for tool in tools -%}{{ '\\n' + (tool | tojson) }}{%- endfor -%}{{ '\\n</tools>' }}{%- endif -%}
{{ '<|im_end|>\\n' }}
{%- endif -%}
{%- for message in messages -%}
{%- if not (loop.first and message.role == 'system') -%}
{{ '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] -%}
{{ '\\n<tool_call>\\n' + ({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + '\\n</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""


def train_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    library = sysconfig.get_paths()["stdlib"]
    texts = []
    for path in sorted(glob.glob(os.path.join(library, "*.py"))):
        with open(path, encoding="utf-8", errors="ignore") as file:
            texts.append(file.read())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=8192, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    return tokenizer.get_vocab_size()


def write_json(name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)


def save_model(vocabulary):
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32768,
        tie_word_embeddings=False,
        eos_token_id=2,
        pad_token_id=0,
        bos_token_id=None,
        # Wide enough that the likeliest token changes with the prompt.
        initializer_range=0.2,
        dtype="bfloat16",
    )
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


save_model(train_tokenizer())
write_json(
    "tokenizer_config.json",
    {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": im_end,
        "pad_token": end_of_text,
        "model_max_length": 32768,
        "chat_template": template.strip(),
        "clean_up_tokenization_spaces": False,
    },
)
print(folder)
