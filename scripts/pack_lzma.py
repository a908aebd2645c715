"""Packs standard input into a raw LZMA stream for web/dynakernel/inline/lzma.js, in base64, to standard output."""
import base64
import lzma
import sys

FILTER = {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": 3, "lp": 0, "pb": 0, "dict_size": 1 << 20}
packed = lzma.compress(sys.stdin.buffer.read(), format=lzma.FORMAT_RAW, filters=[FILTER])
sys.stdout.write(base64.b64encode(packed).decode())
