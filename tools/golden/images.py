"""Images and what transformers' own processors (its Pillow backend) make of them, for img/testdata and tests/e2e.py.

    python tools/golden/images.py          needs transformers, PyTorch and Pillow
"""
import json
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.mobilevit.image_processing_pil_mobilevit import MobileViTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "img", "testdata")
CASES = {  # processor, fields
    "bilinear_down": (ViTImageProcessorPil, dict(size={"height": 32, "width": 32})),
    "bilinear_up": (ViTImageProcessorPil, dict(size={"height": 60, "width": 71})),
    "bicubic_crop": (CLIPImageProcessorPil, dict(size={"shortest_edge": 29}, crop_size={"height": 24, "width": 26})),
    "lanczos": (ViTImageProcessorPil, dict(size={"height": 20, "width": 33}, resample=1)),
    "nearest": (ViTImageProcessorPil, dict(size={"height": 20, "width": 70}, resample=0, do_normalize=False)),
    "flipped": (MobileViTImageProcessorPil, dict(size={"shortest_edge": 28}, crop_size={"height": 24, "width": 24})),
    "rescaled": (ViTImageProcessorPil, dict(do_resize=False, rescale_factor=1 / 127.5, image_mean=[1, 1, 1], image_std=[1, 1, 1])),
    # A number as size: the file's default_to_square counts, whatever the class has.
    "number_square": (CLIPImageProcessorPil, dict(size=28, do_center_crop=False, default_to_square=True)),
    "number_shorter": (ViTImageProcessorPil, dict(size=28, default_to_square=False)),
}


def photo():
    """Smooth colours with edges, 53 x 41."""
    y, x = np.mgrid[0:41, 0:53]
    rng = np.random.Generator(np.random.Philox(key=5))
    channels = [127 + 100 * np.sin(x / 7 + k) * np.cos(y / (5 + k)) + 25 * ((x // 9 + y // 6) % 2) for k in range(3)]
    return np.clip(np.stack(channels, -1) + rng.normal(0, 6, (41, 53, 3)), 0, 255).astype(np.uint8)


def main():
    os.makedirs(OUT, exist_ok=True)
    image = Image.fromarray(photo())
    image.save(os.path.join(OUT, "photo.ppm"))
    image.save(os.path.join(OUT, "photo.png"))
    image.convert("P", palette=Image.ADAPTIVE).save(os.path.join(OUT, "palette.png"))
    image.convert("L").save(os.path.join(OUT, "gray.png"))
    alpha = Image.fromarray(np.tile(np.arange(53, dtype=np.uint8) * 4, (41, 1)))
    with_alpha = image.copy()
    with_alpha.putalpha(alpha)
    with_alpha.save(os.path.join(OUT, "alpha.png"))
    values = {f"decoded.{n}": torch.from_numpy(np.array(Image.open(os.path.join(OUT, n + ".png")).convert("RGB")))
              for n in ("photo", "palette", "gray", "alpha")}
    configs = {}
    for name, (kind, fields) in CASES.items():
        processor = kind(**fields)
        values[name] = torch.from_numpy(np.asarray(processor(image, return_tensors="np")["pixel_values"])).float().contiguous()
        configs[name] = {**processor.to_dict(), **{key: fields[key] for key in ("size", "default_to_square") if key in fields}}
    save_file(values, os.path.join(OUT, "images.safetensors"))
    with open(os.path.join(OUT, "processors.json"), "w") as f:
        json.dump(configs, f, indent=1, sort_keys=True, default=str)
        f.write("\n")


if __name__ == "__main__":
    main()
