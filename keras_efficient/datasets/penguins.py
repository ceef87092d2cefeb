"""The penguins: a table of 333 birds of three species, in the order of the seed study."""

import csv
import io
from pathlib import Path

import numpy as np

from keras_efficient.datasets.sources import RawData, fetched

FILENAME = "penguins.csv"
URL = "https://raw.githubusercontent.com/allisonhorst/palmerpenguins/main/inst/extdata/penguins.csv"
SHA256 = "f204db2c753b0937caac3cb35258562c14f073e4bbc76be24b4c51ce22767a93"
SPECIES = ("Adelie", "Gentoo", "Chinstrap")
CATEGORIES = {
    "island": ("Torgersen", "Biscoe", "Dream"),
    "sex": ("male", "female"),
    "year": ("2007", "2008", "2009"),
}
# Divisors of the seed study: they bring the numbers near 1.
SCALES = {"bill_length_mm": 50, "bill_depth_mm": 20, "flipper_length_mm": 200, "body_mass_g": 5000}
TEST = 33
# The complete rows of the file, counted from 0 without the header, as the seed study shuffled them: the first
# 200 trained, the next 100 validated, the last 33 tested.
ORDER = """
    251 136 91 317 34 159 266 238 249 19 126 123 227 205 23 78 318 93 94 110 198 151 304 247 293 40 192 53 45 258 79
    16 199 103 281 33 28 334 173 274 219 17 68 252 339 287 147 21 267 44 89 49 88 80 108 112 39 107 62 285 116 176
    144 122 174 97 138 13 315 70 102 46 15 343 135 291 95 109 98 141 72 322 326 297 319 60 311 113 265 128 283 20 42
    306 6 119 255 216 190 263 38 154 131 165 52 56 308 179 29 272 157 340 58 77 292 24 290 220 161 175 37 153 146 41
    130 303 294 300 200 203 335 99 66 259 92 246 150 261 171 124 221 32 48 337 76 51 96 336 327 316 284 305 106 84 85
    328 117 194 279 86 101 209 208 244 225 196 254 184 74 132 217 342 100 239 338 228 57 235 170 156 207 212 50 134
    191 234 187 310 264 286 114 243 197 140 301 270 215 231 2 12 193 180 127 35 0 289 230 186 282 111 331 269 54 206
    229 204 226 275 27 43 31 181 237 55 332 152 145 183 280 299 314 104 276 277 69 120 121 329 90 323 202 177 213 307
    321 63 169 25 324 224 172 64 214 105 115 83 148 30 325 166 143 81 253 257 302 320 87 26 67 341 195 71 22 211 73
    233 167 296 163 65 182 298 188 164 125 18 61 262 250 273 155 240 160 4 7 158 14 75 139 223 118 201 5 149 260 312
    82 129 133 330 236 210 137 162 242 189 185 313 168 142 309 295 232 241 59 245 333 1 248 278 288 36 222
"""


def read_penguins(data_dir: Path | None) -> RawData:
    """Features (300, 12) and (33, 12), species; `penguins.csv` in `data_dir`, or a download with a checksum.

    Features: island (3, one-hot), bill length / 50 mm, bill depth / 20 mm, flipper length / 200 mm, body mass /
    5000 g, sex (2, one-hot), year (3, one-hot). Rows with a value missing are left out.

    Source: Gorman, Williams & Fraser 2014; the R package palmerpenguins, CC0.
    """
    path = fetched(data_dir, FILENAME, URL, SHA256)
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        chosen = [rows[int(number)] for number in ORDER.split() if int(number) < len(rows)]
        needed = {"species", *CATEGORIES, *SCALES}
        if len(chosen) < len(ORDER.split()) or any(needed - row.keys() or "NA" in row.values() for row in chosen):
            raise ValueError(f"{len(rows)} rows")
        x = np.array([_features(row) for row in chosen], "float32")
        y = np.array([SPECIES.index(row["species"]) for row in chosen])
    except (ValueError, TypeError, csv.Error) as error:  # no text, other columns, a cell that is no number
        raise ValueError(f"{path} must hold the 344 rows of palmerpenguins. Received: {error}") from error
    return RawData(x[:-TEST], y[:-TEST], x[-TEST:], y[-TEST:])


def _features(row):
    def one_hot(name):
        return [float(row[name] == value) for value in CATEGORIES[name]]

    numbers = [float(row[name]) / scale for name, scale in SCALES.items()]
    return [*one_hot("island"), *numbers, *one_hot("sex"), *one_hot("year")]
