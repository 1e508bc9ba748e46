"""Measure how many people of videos are found, whether a track has two, how fast it is, and what memory it takes.

    python benchmarks/video.py [--half fit|reporting] [--n 6] [--seconds 60] [--coding phone|fixed|web|mjpeg] [--fps 1]
    python benchmarks/video.py --memory [--fps 1]

Videos of 1080p are made by ffmpeg of stills of `lfw_dev`, over a blurred one of `genki4k_odd`: shots of some seconds,
with cuts between them, of one person or of two at once, who move, are zoomed, blurred for a while, and turn into other
photos of theirs. The truth is where whose photo lies at each moment. Found is who has a face of a track; long are
people who are seen for 1.2 s and more at once; nobody's are faces behind people, in their photos or backgrounds.
Constants are chosen on the people of the fit half. Times are seconds of the processor, so that `times real time` is
that of one core; two cores work on two files at once. phone: H.264 with a key frame a second, and at cuts; fixed: a
second alone; web: with B frames, and key frames at cuts. --memory: of a process, for films of 1, 10 and 60 minutes.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from labelled import SHARED, in_fit_half, machine

from facecluster.encoding import film, tracks
from facecluster.encoding.dated import UNDATED
from facecluster.options import EncodeOptions
from facecluster.photos import video

WIDTH, HEIGHT, RATE = 960, 540, 30
"""As painted; ffmpeg makes 1080p of it, with the noise of a sensor."""
ENLARGED = 2

VIEW = f"scale={ENLARGED * WIDTH}:{ENLARGED * HEIGHT},noise=alls=5:allf=t"
CODINGS = {
    "phone": ["-c:v", "libx264", "-preset", "superfast", "-bf", "0", "-g", "30", "-crf", "23"],
    "fixed": [
        "-c:v",
        "libx264",
        "-preset",
        "superfast",
        "-bf",
        "0",
        "-g",
        "30",
        "-sc_threshold",
        "0",
        "-crf",
        "23",
    ],
    "small": ["-c:v", "libx264", "-preset", "superfast", "-bf", "0", "-g", "30", "-crf", "36"],
    "web": ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23"],
    "mjpeg": ["-c:v", "mjpeg", "-q:v", "4"],
}


class Actor:
    """A person of a shot: whose photo lies where at each moment."""

    def __init__(self, name, photos, rng, place):
        self.name, self.photos, self.place = name, photos, place
        self.side = rng.uniform(110, 350)
        self.speed = rng.uniform(-60, 60, 2)
        self.zoom = rng.uniform(-0.12, 0.12)
        self.blur_at, self.blur = rng.uniform(0, 3), rng.choice([0, 0, 3, 6])
        self.each_s = rng.uniform(1, 3)

    def square(self, t):
        """Left, top and side of the photo."""
        side = self.side * (1 + self.zoom * t)
        x, y = self.place + self.speed * t
        return x - side / 2, y - side / 2, side

    def paint(self, canvas, t):
        """Put the photo into a frame."""
        k, part = divmod(t / self.each_s, 1)
        one, other = (self.photos[int(k + i) % len(self.photos)] for i in (0, 1))
        mix = np.clip((part - 0.7) / 0.3, 0, 1)
        pixels = cv2.addWeighted(one, 1 - mix, other, mix, 0)
        left, top, side = self.square(t)
        if self.blur and self.blur_at < t < self.blur_at + 1:
            pixels = cv2.GaussianBlur(pixels, (0, 0), self.blur)
        scale = side / pixels.shape[0]
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        cv2.warpAffine(
            pixels,
            matrix,
            (WIDTH, HEIGHT),
            dst=canvas,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_TRANSPARENT,
        )


def people(half, rng):
    """Photos by name of people of a half with two photos or more, in random order, without end."""
    folders = sorted(folder for folder in (SHARED / "lfw_dev").iterdir() if folder.is_dir())
    folders = [
        f for f in folders if in_fit_half(f.name) == (half == "fit") and len(list(f.glob("*.jpg"))) > 1
    ]
    rng.shuffle(folders)
    for folder in itertools.cycle(folders):
        yield folder.name, [cv2.imread(str(path)) for path in sorted(folder.glob("*.jpg"))[:4]]


def make(path, seconds, coding, cast, rng, lengths=(0.4, 5)):
    """Write a video; return its shots: start, end, actors."""
    backgrounds = sorted((SHARED / "genki4k_odd").rglob("*.jpg"))
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "bgr24"]
    command += [
        "-s",
        f"{WIDTH}x{HEIGHT}",
        "-r",
        str(RATE),
        "-i",
        "-",
        "-vf",
        VIEW,
        "-pix_fmt",
        "yuv420p",
        *CODINGS[coding],
        path,
    ]
    shots, n, stop = [], 0, 0
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while n < seconds * RATE:
            if n >= stop:
                length = np.exp(rng.uniform(*np.log(lengths)))
                start, stop = n, min(seconds * RATE, n + int(RATE * length))
                places = [(250, 270), (700, 270)] if rng.random() < 0.4 else [(rng.uniform(250, 700), 270)]
                actors = [Actor(*next(cast), rng, np.array(place)) for place in places]
                shots.append((start / RATE, stop / RATE, actors))
                still = cv2.imread(str(backgrounds[rng.integers(len(backgrounds))]))
                still = cv2.GaussianBlur(cv2.resize(still, (WIDTH, HEIGHT)), (0, 0), 12)
            t = (n - start) / RATE
            canvas = np.roll(still, int(30 * t), axis=1)
            for actor in actors:
                actor.paint(canvas, t)
            process.stdin.write(canvas.tobytes())
            n += 1
    return shots


def who(shots, time_s, box):
    """Name whose face a box is; "" nobody's: somebody's beside whom a photo shows, or a background's."""
    for start, stop, actors in shots:
        if start - 0.01 <= time_s < stop - 0.01:
            middle = (box[:2] + box[2:]) / 2 / ENLARGED
            for actor in reversed(actors):
                left, top, side = actor.square(time_s - start)
                if np.abs((middle - (left, top)) / side - 0.5).max() < 0.17:
                    return actor.name
    return ""


def measure(path, shots, options):
    """Analyse a video; return counts by what they count."""
    began = time.process_time()
    found = film.analyse_film(path, options, "", UNDATED)
    took = time.process_time() - began
    names = np.array([who(shots, float(face["time_s"]), face["box"]) for face in found.faces], dtype=object)
    pure = [set(names[found.faces["track"] == track]) - {""} for track in np.unique(found.faces["track"])]
    there = {(actor.name, stop - start >= 1.2) for start, stop, actors in shots for actor in actors}
    seen = set(names)
    spans = {}
    for face in found.faces:
        spans[int(face["track"])] = (float(face["from_s"]), float(face["to_s"]))
    return {
        "people": len(there),
        "found": sum(name in seen for name, _ in there),
        "long": sum(is_long for _, is_long in there),
        "long found": sum(name in seen for name, is_long in there if is_long),
        "tracks": len(pure),
        "of two people": sum(len(track) > 1 for track in pure),
        "faces": len(found.faces),
        "of nobody": int(np.sum(names == "")),
        "seconds of film": found.duration,
        "seconds": took,
    }


def memory(fps):
    """Print the largest memory of a process over videos of other lengths."""
    here = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/part.mp4"
        make(path, 30, "small", people("reporting", np.random.default_rng(1)), np.random.default_rng(1))
        for times in (2, 20, 120):
            longer = f"{folder}/{times}.mp4"
            loop = ["-stream_loop", str(times - 1), "-i", path, "-c", "copy", longer]
            subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *loop], check=True)
            code = f"import sys; sys.path.insert(0, {here!r}); import video; video.one({longer!r}, {fps})"
            subprocess.run([sys.executable, "-c", code], check=True)


def one(path, fps):
    """Print what a video takes in this process."""
    began = time.process_time()
    found = film.analyse_film(path, EncodeOptions(fps=fps), "", UNDATED)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{found.duration:.0f} s of film: {len(found.faces)} faces, {time.process_time() - began:.1f} s, {peak:.0f} MB",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--coding", choices=tuple(CODINGS), default="phone")
    parser.add_argument("--fps", type=float, nargs="+", default=[video.FPS])
    parser.add_argument(
        "--shots", type=float, nargs=2, default=(0.4, 5), help="seconds of the shots, from and to"
    )
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--sweep", action="store_true", help="other constants, one at a time")
    parser.add_argument("--folder", help="where the videos stay")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    if chosen.memory:
        memory(chosen.fps[0])
        return
    rng = np.random.default_rng(0)
    cast = people(chosen.half, rng)
    with tempfile.TemporaryDirectory() as folder:
        folder = chosen.folder or folder
        films = []
        for i in range(chosen.n):
            path = (
                f"{folder}/{chosen.half}-{chosen.coding}-{i}.{'avi' if chosen.coding == 'mjpeg' else 'mp4'}"
            )
            films.append((path, make(path, chosen.seconds, chosen.coding, cast, rng, chosen.shots)))
        print(
            f"{machine()}, {chosen.half} half, {chosen.coding}, {chosen.n} videos of {chosen.seconds} s, "
            f"shots of {chosen.shots} s"
        )
        film.analyse_film(films[0][0], EncodeOptions(fps=0.2), "", UNDATED)  # loads the networks

        def tell(what, options):
            total = {}
            for path, shots in films:
                for name, count in measure(path, shots, options).items():
                    total[name] = total.get(name, 0) + count
            rate = total["seconds of film"] / total["seconds"]
            print(
                f"{what}: {rate:.1f} times real time a core",
                {k: round(v, 1) for k, v in total.items()},
                flush=True,
            )

        for fps in chosen.fps:
            tell(f"--fps {fps:g}", EncodeOptions(fps=fps))
        if chosen.sweep:
            for module, name, values in (
                (film, "BETWEEN", (False,)),
                (film, "SIDES", ((480, 256), (800, 256))),
                (film, "CUT", (0.3, 0.7)),
                (film, "SAME", (0.0, 4.0)),
                (tracks, "ALIKE", (0.8, 0.95, 2.0)),
                (tracks, "OVERLAP", (0.1, 0.5)),
            ):
                usual = getattr(module, name)
                for value in values:
                    setattr(module, name, value)
                    tell(f"{name} {value}", EncodeOptions())
                setattr(module, name, usual)


if __name__ == "__main__":
    main()
