using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OrleansPd.Engines.Body;

internal ref partial struct JsonWalker
{
    // What a byte may be, as bits; a byte is what the tables of both its halves agree on.
    private const byte Escape2 = 1; // " and /
    private const byte Escape5 = 2; // \
    private const byte Escape6 = 4; // b f n
    private const byte Escape7 = 8; // r t u
    private const byte Digit = 16;
    private const byte UpperHex = 32;
    private const byte LowerHex = 64;
    private const byte AnyHex = UpperHex | LowerHex;

    private static Vector256<byte> LowHalves => Twice(Vector128.Create(
        Digit, Digit | AnyHex, Digit | AnyHex | Escape2 | Escape6 | Escape7, Digit | AnyHex,
        Digit | AnyHex | Escape7, Digit | AnyHex | Escape7, Digit | AnyHex | Escape6, Digit, Digit, Digit, 0, 0, Escape5, 0, Escape6, Escape2));

    private static Vector256<byte> HighHalves => Twice(Vector128.Create(
        0, 0, Escape2, Digit, UpperHex, Escape5, Escape6 | LowerHex, Escape7, 0, 0, 0, 0, 0, 0, 0, 0));

    /// <summary>
    /// Passes over the inside of a string with escapes, 64 bytes a step: prompts are full of them, and stopping at each costs more
    /// than all the rest of the walk. Moves on only over blocks in which everything is legal; the first that is not, or that holds
    /// the closing quote, is left to the ordinary walk, so nothing is accepted here that it would refuse.
    /// </summary>
    /// <param name="at">Inside of a string and at no escaped byte; moved to the like.</param>
    private readonly void SkipEscapedBlocks(ref int at)
    {
        if (!Avx2.IsSupported)
            return;
        ref var bytes = ref MemoryMarshal.GetReference(_json);
        while (at + 64 <= _json.Length)
        {
            var low = Vector256.LoadUnsafe(ref bytes, (nuint)at);
            var high = Vector256.LoadUnsafe(ref bytes, (nuint)at + 32);
            var slashes = Equal(low, (byte)'\\') | (ulong)Equal(high, (byte)'\\') << 32;
            var quotes = Equal(low, (byte)'"') | (ulong)Equal(high, (byte)'"') << 32;
            var wrong = Controls(low) | (ulong)Controls(high) << 32;
            var step = 64;
            if (slashes == 0)
            {
                wrong |= quotes;
            }
            else
            {
                var escaped = EscapedBytes(slashes, out var runsOn);
                Vector256<byte> classes = ClassesOf(low), above = ClassesOf(high);
                var legal = Has(classes, Escape2 | Escape5 | Escape6 | Escape7) | (ulong)Has(above, Escape2 | Escape5 | Escape6 | Escape7) << 32;
                var hex = Has(classes, Digit | AnyHex) | (ulong)Has(above, Digit | AnyHex) << 32;
                var unicode = escaped & (Equal(low, (byte)'u') | (ulong)Equal(high, (byte)'u') << 32);
                // An escape that goes on behind the block is looked at with the next one, from its backslash on.
                if (unicode >> 60 != 0)
                    step = 59 + BitOperations.TrailingZeroCount(unicode >> 60);
                else if (runsOn)
                    step = 63;
                var taken = ulong.MaxValue >> (64 - step);
                unicode &= taken;
                // The digits of what is taken all lie in the block, if need be behind the step.
                var digits = unicode << 1 | unicode << 2 | unicode << 3 | unicode << 4;
                wrong = ((wrong | (quotes & ~escaped) | (escaped & ~legal)) & taken) | (digits & ~hex);
            }
            if (wrong != 0)
                return;
            at += step;
        }
    }

    /// <summary>The bytes that a backslash stands before which is not escaped itself.</summary>
    /// <param name="slashes">Where backslashes are, in a block that begins at no escaped byte.</param>
    /// <param name="runsOn">The last byte is a backslash that escapes the first one behind the block.</param>
    private static ulong EscapedBytes(ulong slashes, out bool runsOn)
    {
        const ulong Even = 0x5555555555555555;
        // Of a run of backslashes every second one is escaped. Adding carries through a run that starts at an odd place, and so
        // tells the byte behind it whether the run was of odd length.
        var follows = slashes << 1;
        var oddStarts = slashes & ~Even & ~follows;
        var carried = unchecked(oddStarts + slashes);
        var escaped = (Even ^ (carried << 1)) & follows;
        // Bit 63 is an unescaped backslash exactly if it is a backslash and not escaped.
        runsOn = (slashes >> 63) != 0 && (escaped >> 63) == 0;
        return escaped;
    }

    private static Vector256<byte> ClassesOf(Vector256<byte> bytes)
    {
        var half = Vector256.Create((byte)0x0F);
        return Avx2.Shuffle(LowHalves, bytes & half) & Avx2.Shuffle(HighHalves, (bytes.AsUInt16() >> 4).AsByte() & half);
    }

    private static uint Has(Vector256<byte> classes, byte any) =>
        ~Vector256.Equals(classes & Vector256.Create(any), Vector256<byte>.Zero).ExtractMostSignificantBits();

    private static uint Controls(Vector256<byte> bytes) =>
        Vector256.LessThan(bytes, Vector256.Create((byte)0x20)).ExtractMostSignificantBits();

    private static Vector256<byte> Twice(Vector128<byte> half) => Vector256.Create(half, half);
}
