"""Run against what is installed, not against the checkout."""

import unittest
from importlib.metadata import version

import tidewatch


class Tides(unittest.TestCase):
    def test_the_tide_is_in_at_high_water(self) -> None:
        self.assertTrue(tidewatch.is_in(0))

    def test_it_is_out_half_a_tide_later(self) -> None:
        self.assertFalse(tidewatch.is_in(tidewatch.HOURS / 2))

    def test_the_release_knows_its_version(self) -> None:
        self.assertEqual(version("tidewatch"), "1.0")


if __name__ == "__main__":
    unittest.main()
