"""Writes a model of a real shape that is no decoder, with the library's own random weights (needs PyTorch: the official environment).

    .venv-official/bin/python bench/peers/make_encoder.py vit-base DIR       also: mobilevit, efficientnet-b0, bert-base, whisper-tiny
"""
import sys

import torch
import transformers as t

SHAPES = {
    "vit-base": lambda: t.ViTForImageClassification(t.ViTConfig(num_labels=1000)),
    "mobilevit": lambda: t.MobileViTForImageClassification(t.MobileViTConfig(num_labels=1000)),
    "efficientnet-b0": lambda: t.EfficientNetForImageClassification(
        t.EfficientNetConfig(num_labels=1000, width_coefficient=1.0, depth_coefficient=1.0, image_size=224, hidden_dim=1280,
                             dropout_rate=0.2)),
    "bert-base": lambda: t.BertForMaskedLM(t.BertConfig()),
    "whisper-tiny": lambda: t.WhisperForConditionalGeneration(t.WhisperConfig()),
}

if __name__ == "__main__":
    torch.manual_seed(0)
    SHAPES[sys.argv[1]]().eval().save_pretrained(sys.argv[2])
