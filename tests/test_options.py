from __future__ import annotations

import pytest

from facecluster import options
from facecluster.errors import TableError
from facecluster.options import EncodeOptions, options_of
from facecluster.table import Settings
from facecluster.vision import detect, encode


def test_every_choice_has_its_weights() -> None:
    assert set(options._MODELS) == {*detect.DETECTORS, *encode.ENCODERS}
    assert set(EncodeOptions().settings().models) == {"mesh", "yunet", "sface"}
    assert set(EncodeOptions("cnn", "dlib").settings().models) == {
        "mesh",
        "dlib-mmod",
        "dlib-resnet",
        "dlib-5point",
    }


@pytest.mark.parametrize(
    "chosen",
    [
        EncodeOptions(),
        EncodeOptions(min_face=0, max_side=0, mirror=True),
        EncodeOptions("hog", "dlib", min_face=50, upsample=2),
    ],
)
def test_photos_are_encoded_as_the_table_was(chosen: EncodeOptions) -> None:
    assert options_of(chosen.settings()) == chosen


def test_a_table_that_does_not_say_how_it_was_made_gets_the_defaults() -> None:
    assert options_of(Settings("", "dlib")) == EncodeOptions(encoder="dlib")
    with pytest.raises(TableError, match="detector 'other' is not known"):
        options_of(Settings("other", "dlib"))
