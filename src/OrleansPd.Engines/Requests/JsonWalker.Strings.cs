using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OrleansPd.Engines.Requests;

internal ref partial struct JsonWalker
{
    private static readonly SearchValues<byte> StringStops =
        SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(code => (byte)code), (byte)'"', (byte)'\\']);

    // Classes of bytes, as bits; the class of a byte is the intersection of the table entries of its two halves.
    private const byte Escape2 = 1; // " and /
    private const byte Escape5 = 2; // \
    private const byte Escape6 = 4; // b f n
    private const byte Escape7 = 8; // r t u
    private const byte Digit = 16;
    private const byte UpperHex = 32;
    private const byte LowerHex = 64;
    private const byte AnyHex = UpperHex | LowerHex;

    private static Vector128<byte> LowHalves => Vector128.Create(
        Digit, Digit | AnyHex, Digit | AnyHex | Escape2 | Escape6 | Escape7, Digit | AnyHex,
        Digit | AnyHex | Escape7, Digit | AnyHex | Escape7, Digit | AnyHex | Escape6, Digit, Digit, Digit, 0, 0, Escape5, 0,
        Escape6, Escape2);

    private static Vector128<byte> HighHalves => Vector128.Create(
        0, 0, Escape2, Digit, UpperHex, Escape5, Escape6 | LowerHex, Escape7, 0, 0, 0, 0, 0, 0, 0, 0);

    /// <summary>Skips a string, the position being at its opening quote.</summary>
    public bool SkipString()
    {
        if (Current != '"')
            return Stop();
        Escaped = false;
        var inBlocks = false;
        var at = Position + 1;
        while (true)
        {
            if (Escaped && !inBlocks)
            {
                inBlocks = true;
                SkipEscapedBlocks(ref at);
            }
            var run = _json[at..].IndexOfAny(StringStops);
            if (run < 0)
                return Fail(JsonFault.Truncated, _json.Length);
            at += run;
            var stop = _json[at];
            if (stop == '"')
            {
                Position = at + 1;
                return true;
            }
            if (stop != '\\')
                return Fail(JsonFault.ControlCharacter, at);
            Escaped = true;
            if (!SkipEscape(ref at))
                return false;
        }
    }

    /// <summary>Skips one escape, from its backslash.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool SkipEscape(ref int at)
    {
        if (at + 1 >= _json.Length)
            return Fail(JsonFault.Truncated, _json.Length);
        switch (_json[at + 1])
        {
            case (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t':
                at += 2;
                return true;
            case (byte)'u':
                if (at + 6 > _json.Length)
                    return Fail(JsonFault.Truncated, _json.Length);
                for (var digit = at + 2; digit < at + 6; digit++)
                {
                    if (JsonText.HexValue(_json[digit]) < 0)
                        return Fail(JsonFault.Escape, at);
                }
                at += 6;
                return true;
            default:
                return Fail(JsonFault.Escape, at);
        }
    }

    /// <summary>
    /// Skips the inside of a string with escapes, 64 bytes a step: prompts are full of escapes, and a stop at each costs more
    /// than the rest of the walk. Advances only over blocks that are entirely legal; the first block that is not, or that holds
    /// the closing quote, is left to the ordinary walk, so that nothing is accepted here that it would refuse. All steps have one
    /// width, so that no block depends on the one before; the state of an escape is carried to the next block.
    /// </summary>
    /// <param name="start">Inside of a string and not at an escaped byte; advanced to such a position.</param>
    private readonly void SkipEscapedBlocks(ref int start)
    {
        if (!Avx2.IsSupported)
            return;
        var at = start;
        var last = _json.Length - 64;
        ref var bytes = ref MemoryMarshal.GetReference(_json);
        ulong escapedFirst = 0, digitsFirst = 0;
        while (at <= last)
        {
            ref var block = ref Unsafe.Add(ref bytes, at);
            var slashes = Equal64(ref block, (byte)'\\');
            var quotes = Equal64(ref block, (byte)'"');
            var wrong = Controls64(ref block);
            if ((slashes | escapedFirst | digitsFirst) == 0)
            {
                wrong |= quotes;
            }
            else
            {
                Classify64(ref block, out var legal, out var hex);
                var escaped = EscapedBytes(slashes, ref escapedFirst);
                var unicode = escaped & Equal64(ref block, (byte)'u');
                var digits = unicode << 1 | unicode << 2 | unicode << 3 | unicode << 4 | digitsFirst;
                wrong |= (quotes & ~escaped) | (escaped & ~legal) | (digits & ~hex);
                if (wrong == 0)
                    digitsFirst = unicode >> 63 | unicode >> 62 | unicode >> 61 | unicode >> 60;
                else
                    escapedFirst = 0;
            }
            if (wrong != 0)
                break;
            at += 64;
            start = at - (int)escapedFirst - (digitsFirst == 0 ? 0 : 6 - BitOperations.PopCount(digitsFirst));
        }
    }

    /// <summary>Finds the bytes after a backslash that is not escaped itself.</summary>
    /// <param name="slashes">Where backslashes are.</param>
    /// <param name="first">1 when the first byte of the block is escaped; set for the next block.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong EscapedBytes(ulong slashes, ref ulong first)
    {
        const ulong Even = 0x5555555555555555;
        slashes &= ~first;
        // Every second backslash of a run is escaped. An addition carries through a run that starts at an odd position, and so
        // marks the byte after it where the run has odd length.
        var follows = slashes << 1 | first;
        var oddStarts = slashes & ~Even & ~follows;
        var carried = unchecked(oddStarts + slashes);
        first = carried < slashes ? 1UL : 0;
        return (Even ^ (carried << 1)) & follows;
    }

    /// <summary>Finds the bytes that may follow a backslash, and the hexadecimal digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Classify64(ref byte block, out ulong legal, out ulong hex)
    {
        const byte Escapes = Escape2 | Escape5 | Escape6 | Escape7;
        const byte Digits = Digit | AnyHex;
        if (Avx512BW.IsSupported)
        {
            var bytes = Vector512.LoadUnsafe(ref block);
            var half = Vector512.Create((byte)0x0F);
            Vector256<byte> lows = Vector256.Create(LowHalves, LowHalves), highs = Vector256.Create(HighHalves, HighHalves);
            var classes = Avx512BW.Shuffle(Vector512.Create(lows, lows), bytes & half)
                & Avx512BW.Shuffle(Vector512.Create(highs, highs), (bytes.AsUInt16() >> 4).AsByte() & half);
            legal = ~Vector512.Equals(classes & Vector512.Create(Escapes), Vector512<byte>.Zero).ExtractMostSignificantBits();
            hex = ~Vector512.Equals(classes & Vector512.Create(Digits), Vector512<byte>.Zero).ExtractMostSignificantBits();
            return;
        }
        Vector256<byte> low = ClassesOf(Vector256.LoadUnsafe(ref block)), high = ClassesOf(Vector256.LoadUnsafe(ref block, 32));
        legal = Has(low, Escapes) | (ulong)Has(high, Escapes) << 32;
        hex = Has(low, Digits) | (ulong)Has(high, Digits) << 32;
    }

    private static Vector256<byte> ClassesOf(Vector256<byte> bytes)
    {
        var half = Vector256.Create((byte)0x0F);
        return Avx2.Shuffle(Vector256.Create(LowHalves, LowHalves), bytes & half)
            & Avx2.Shuffle(Vector256.Create(HighHalves, HighHalves), (bytes.AsUInt16() >> 4).AsByte() & half);
    }

    private static uint Has(Vector256<byte> classes, byte any) =>
        ~Vector256.Equals(classes & Vector256.Create(any), Vector256<byte>.Zero).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Controls64(ref byte block) => Vector512.IsHardwareAccelerated
        ? Vector512.LessThan(Vector512.LoadUnsafe(ref block), Vector512.Create((byte)0x20)).ExtractMostSignificantBits()
        : Controls(Vector256.LoadUnsafe(ref block)) | (ulong)Controls(Vector256.LoadUnsafe(ref block, 32)) << 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Equal64(ref byte block, byte value) => Vector512.IsHardwareAccelerated
        ? Vector512.Equals(Vector512.LoadUnsafe(ref block), Vector512.Create(value)).ExtractMostSignificantBits()
        : Equal(Vector256.LoadUnsafe(ref block), value) | (ulong)Equal(Vector256.LoadUnsafe(ref block, 32), value) << 32;

    private static uint Controls(Vector256<byte> bytes) =>
        Vector256.LessThan(bytes, Vector256.Create((byte)0x20)).ExtractMostSignificantBits();
}
