"""Time the networks on one thread, beside dlib's own code for the same weights and sface as ONNX Runtime gets it.

    python benchmarks/networks.py

Bounds (issue 2): dlib's encoder at least 10 times faster than `compute_face_descriptor`, its cnn detector at least 15
times faster than `cnn_face_detection_model_v1`, the same faces with boxes of IoU >= 0.9, encodings within 1e-5.
"""

from __future__ import annotations

import time

import dlib
import numpy as np
import onnx
import onnxruntime
from labelled import SHARED, machine, overlap

from facecluster.photos.decode import decode
from facecluster.vision import detect, encode, graphs, mesh, models


def seconds(function, repeat):
    """Median seconds of a call, after one that is not counted."""
    function()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def plain_sface():
    """sface as ONNX Runtime runs it with no help but its weights taken off the graph's inputs."""
    model = onnx.load(models.path("sface"))
    data = [entry for entry in model.graph.input if entry.name == "data"]
    del model.graph.input[:]
    model.graph.input.extend(data)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def folded_sface():
    """sface with its weights folded to float32, PReLU left as it is."""
    prelu = graphs.Graph.prelu
    graphs.Graph.prelu = lambda self, x, slope: self.add("PRelu", x, self.weight(slope.reshape(-1, 1, 1)))
    try:
        return encode.read_sface(models.path("sface"))
    finally:
        graphs.Graph.prelu = prelu


def main():
    print(machine())
    rng = np.random.default_rng(0)

    resnet = dlib.face_recognition_model_v1(str(models.path("dlib-resnet")))
    photo = decode(SHARED / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg").pixels
    chip = np.ascontiguousarray(photo[50:200, 50:200])
    theirs = seconds(lambda: resnet.compute_face_descriptor(chip), 5)
    ours = seconds(lambda: encode._run(encode._dlib_network(), [chip], False), 20)
    difference = np.abs(
        np.array(resnet.compute_face_descriptor(chip)) - encode._run(encode._dlib_network(), [chip], False)[0]
    )
    print(
        f"dlib encoder  dlib {theirs * 1e3:7.1f} ms   ours {ours * 1e3:6.2f} ms   {theirs / ours:5.1f} times faster"
        f"   largest difference {difference.max():.0e}"
    )

    mmod = dlib.cnn_face_detection_model_v1(str(models.path("dlib-mmod")))
    for name in ("dlib_faces/2009_004587.jpg", "wider_dev/images/0--Parade/0_Parade_marchingband_1_156.jpg"):
        pixels = decode(SHARED / name).pixels
        for upsample in (0, 1):
            expected = mmod(pixels, upsample)
            theirs = seconds(lambda: mmod(pixels, upsample), 1)
            found = detect.find_faces(pixels, detector="cnn", upsample=upsample, min_face_px=0)
            ours = seconds(lambda: detect.find_faces(pixels, detector="cnn", upsample=upsample), 3)
            boxes = np.array(
                [[d.rect.left(), d.rect.top(), d.rect.right() + 1, d.rect.bottom() + 1] for d in expected]
            )
            same = len(boxes) == len(found) and (
                not len(found) or overlap(boxes, found.box).max(axis=1).min() >= 0.9
            )
            size = "x".join(map(str, pixels.shape[1::-1]))
            print(
                f"cnn detector  dlib {theirs:7.2f} s    ours {ours:6.3f} s    {theirs / ours:5.1f} times faster"
                f"   {size}, upsample {upsample}, {len(found)} faces, {'the same' if same else 'NOT THE SAME'}"
            )

    crop = rng.integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    raw, folded, fast = plain_sface(), folded_sface(), encode._sface_network()
    times = [
        seconds(lambda s=s, n=n: s.run(None, {n: crop}), 15)
        for s, n in ((raw, "data"), (folded, "input"), (fast, "input"))
    ]
    difference = np.abs(raw.run(None, {"data": crop})[0] - fast.run(None, {"input": crop})[0]).max()
    print(
        f"sface         as it is {times[0] * 1e3:.1f} ms, weights folded {times[1] * 1e3:.1f} ms, PReLU rewritten"
        f" {times[2] * 1e3:.1f} ms a face; largest difference {difference:.0e}"
    )

    face = detect.find_faces(photo)
    print(f"yunet         {seconds(lambda: detect.find_faces(photo), 15) * 1e3:.1f} ms at 250x250")
    big = np.ascontiguousarray(np.tile(photo, (3, 3, 1))[:480, :640])
    print(f"yunet         {seconds(lambda: detect.find_faces(big), 15) * 1e3:.1f} ms at 640x480")
    print(
        f"face mesh     {seconds(lambda: mesh.fit_meshes(photo, face.box, face.landmarks), 15) * 1e3:.1f} ms a face"
    )


if __name__ == "__main__":
    main()
