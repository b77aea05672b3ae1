import inspect

import raster
from raster import errors


def test_all_names_what_the_room_exports() -> None:
    public = {
        name
        for name, value in vars(raster).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert set(raster.__all__) == public


def test_every_error_is_exported_and_explained() -> None:
    own = [
        value
        for name, value in vars(errors).items()
        if inspect.isclass(value)
        and issubclass(value, errors.RasterError)
        and not name.startswith("_")
    ]

    for error in own:
        assert error.__name__ in raster.__all__
        assert error.__name__ in (errors.__doc__ or "")
