"""AES-128-OCB3 with a 96-bit nonce, a 128-bit tag and no associated data, from FIPS 197 and RFC 7253: plain, and
sharing nothing with the programs that it is held against. Blocks are integers of 128 bits."""

MASK = (1 << 128) - 1


def _doubled(octet):
    return octet << 1 ^ (0x11B if octet & 0x80 else 0)


def _product(a, b):
    result = 0
    while b:
        if b & 1:
            result ^= a
        a, b = _doubled(a), b >> 1
    return result


def _make_sbox():
    # Powers of the generator 3 and of its inverse 0xF6 run through the field in opposite directions.
    sbox, p, q = [0x63] * 256, 1, 1
    while True:
        sbox[p] = q ^ 0x63
        for turn in range(1, 5):
            sbox[p] ^= (q << turn | q >> 8 - turn) & 0xFF
        p, q = _product(p, 3), _product(q, 0xF6)
        if p == 1:
            return sbox


def _columns(box, factors):
    """What one octet of a state contributes to a column, for each row that it stands in."""
    first = [int.from_bytes(bytes(_product(box[octet], factor) for factor in factors), "big") for octet in range(256)]
    return [[(word >> 8 * row | word << 32 - 8 * row) & 0xFFFFFFFF for word in first] for row in range(4)]


SBOX = _make_sbox()
INVERSE = [SBOX.index(octet) for octet in range(256)]
FORWARD = _columns(SBOX, (2, 1, 1, 3))
BACKWARD = _columns(INVERSE, (14, 9, 13, 11))
UNMIX = _columns(range(256), (14, 9, 13, 11))


class Aes128:
    """The block cipher."""

    def __init__(self, key):
        words = [int.from_bytes(key[at : at + 4], "big") for at in range(0, 16, 4)]
        constant = 1
        for at in range(4, 44):
            word = words[at - 1]
            if at % 4 == 0:
                word = (word << 8 | word >> 24) & 0xFFFFFFFF
                word = int.from_bytes(bytes(SBOX[octet] for octet in word.to_bytes(4, "big")), "big")
                word ^= constant << 24
                constant = _doubled(constant)
            words.append(word ^ words[at - 4])
        self.keys = [words[at : at + 4] for at in range(0, 44, 4)]
        unmixed = [[self._unmix(word) for word in words] for words in self.keys[9:0:-1]]
        self.inverse_keys = [self.keys[10], *unmixed, self.keys[0]]

    @staticmethod
    def _unmix(word):
        result = 0
        for row, octet in enumerate(word.to_bytes(4, "big")):
            result ^= UNMIX[row][octet]
        return result

    @staticmethod
    def _run(block, keys, tables, box, turn):
        a, b, c, d = (block >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0))
        k = keys[0]
        s = [a ^ k[0], b ^ k[1], c ^ k[2], d ^ k[3]]
        t0, t1, t2, t3 = tables
        for k in keys[1:10]:
            s = [
                t0[s[at] >> 24]
                ^ t1[s[(at + turn) % 4] >> 16 & 255]
                ^ t2[s[(at + 2) % 4] >> 8 & 255]
                ^ t3[s[(at - turn) % 4] & 255]
                ^ k[at]
                for at in range(4)
            ]
        result = 0
        for at in range(4):
            word = (
                box[s[at] >> 24] << 24
                | box[s[(at + turn) % 4] >> 16 & 255] << 16
                | box[s[(at + 2) % 4] >> 8 & 255] << 8
                | box[s[(at - turn) % 4] & 255]
            )
            result = result << 32 | word ^ keys[10][at]
        return result

    def encrypt(self, block):
        return self._run(block, self.keys, FORWARD, SBOX, 1)

    def decrypt(self, block):
        return self._run(block, self.inverse_keys, BACKWARD, INVERSE, -1)


def _double(block):
    return (block << 1 & MASK) ^ (0x87 if block >> 127 else 0)


class Ocb3:
    """RFC 7253, TAGLEN 128."""

    def __init__(self, key):
        self.aes = Aes128(key)
        self.star = self.aes.encrypt(0)
        self.dollar = _double(self.star)
        self.steps = [_double(self.dollar)]
        for _ in range(16):
            self.steps.append(_double(self.steps[-1]))

    def _first_offset(self, nonce):
        block = int.from_bytes(bytes([0, 0, 0, 1]) + nonce, "big")
        top = self.aes.encrypt(block & ~63)
        stretched = top << 64 | (top >> 64 ^ top >> 56) & (1 << 64) - 1
        return stretched >> 64 - (block & 63) & MASK

    def _run(self, nonce, text, sealing):
        offset, checksum, out = self._first_offset(nonce), 0, []
        cipher = self.aes.encrypt if sealing else self.aes.decrypt
        whole = len(text) // 16
        for number in range(1, whole + 1):
            block = int.from_bytes(text[16 * number - 16 : 16 * number], "big")
            offset ^= self.steps[(number & -number).bit_length() - 1]
            result = offset ^ cipher(block ^ offset)
            checksum ^= block if sealing else result
            out.append(result.to_bytes(16, "big"))
        rest = text[16 * whole :]
        if rest:
            offset ^= self.star
            pad = self.aes.encrypt(offset).to_bytes(16, "big")
            result = bytes(a ^ b for a, b in zip(rest, pad))
            plain = rest if sealing else result
            checksum ^= int.from_bytes(plain + b"\x80" + bytes(15 - len(plain)), "big")
            out.append(result)
        tag = self.aes.encrypt(checksum ^ offset ^ self.dollar)
        return b"".join(out), tag.to_bytes(16, "big")

    def seal(self, nonce, plaintext):
        out, tag = self._run(nonce, plaintext, True)
        return out + tag

    def open(self, nonce, sealed):
        """The plaintext; None when it is not authentic."""
        if len(sealed) < 16:
            return None
        out, tag = self._run(nonce, sealed[:-16], False)
        return out if tag == sealed[-16:] else None


def check():
    """FIPS 197, appendix C.1, and the appendix of RFC 7253 (its vectors without associated data)."""
    key = bytes(range(16))
    block = 0x00112233445566778899AABBCCDDEEFF
    assert Aes128(key).encrypt(block) == 0x69C4E0D86A7B0430D8CDB78070B4C55A
    assert Aes128(key).decrypt(Aes128(key).encrypt(block)) == block
    for nonce, length, sealed in [
        ("bbaa99887766554433221100", 0, "785407bfffc8ad9edcc5520ac9111ee6"),
        ("bbaa99887766554433221103", 8, "45dd69f8f5aae72414054cd1f35d82760b2cd00d2f99bfa9"),
        (
            "bbaa9988776655443322110f",
            40,
            "4412923493c57d5de0d700f753cce0d1d2d95060122e9f15a5ddbfc5787e50b5cc55ee507bcb084e479ad363ac366b95"
            "a98ca5f3000b1479",
        ),
    ]:
        ocb, nonce = Ocb3(key), bytes.fromhex(nonce)
        plaintext = bytes(range(length))
        assert ocb.seal(nonce, plaintext).hex() == sealed, (length, ocb.seal(nonce, plaintext).hex())
        assert ocb.open(nonce, bytes.fromhex(sealed)) == plaintext
        assert ocb.open(nonce, bytes.fromhex(sealed)[:-1] + b"\0") is None


if __name__ == "__main__":
    check()
