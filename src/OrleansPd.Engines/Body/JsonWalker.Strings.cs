using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OrleansPd.Engines.Body;

internal ref partial struct JsonWalker
{
    /// <summary>
    /// Passes over the inside of a string with escapes, 64 bytes a step: prompts are full of them, and stopping at each costs more
    /// than all the rest of the walk. Moves on only over blocks in which everything is legal; the first that is not, or that holds
    /// the closing quote, is left to the ordinary walk, so nothing is accepted here that it would refuse.
    /// </summary>
    /// <param name="at">Inside of a string and at no escaped byte; moved to the like.</param>
    private readonly void SkipEscapedBlocks(ref int at)
    {
        if (!Vector256.IsHardwareAccelerated)
            return;
        ref var bytes = ref MemoryMarshal.GetReference(_json);
        while (at + 64 <= _json.Length)
        {
            var low = Vector256.LoadUnsafe(ref bytes, (nuint)at);
            var high = Vector256.LoadUnsafe(ref bytes, (nuint)at + 32);
            var slashes = Equal(low, (byte)'\\') | (ulong)Equal(high, (byte)'\\') << 32;
            var quotes = Equal(low, (byte)'"') | (ulong)Equal(high, (byte)'"') << 32;
            var controls = Controls(low) | (ulong)Controls(high) << 32;
            var escaped = EscapedBytes(slashes, out var runsOn);
            if ((controls | (quotes & ~escaped)) != 0)
                return;
            // A backslash that is the last of the block: its escape is looked at with the next one.
            var step = runsOn ? 63 : 64;
            for (var left = escaped; left != 0; left &= left - 1)
            {
                var offset = at + BitOperations.TrailingZeroCount(left);
                switch (_json[offset])
                {
                    case (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t':
                        break;
                    case (byte)'u' when offset + 5 <= _json.Length && IsHex(_json.Slice(offset + 1, 4)):
                        break;
                    default:
                        return;
                }
            }
            at += step;
        }
    }

    /// <summary>The bytes that a backslash stands before which is not escaped itself.</summary>
    /// <param name="slashes">Where backslashes are, in a block that begins at no escaped byte.</param>
    /// <param name="runsOn">The last byte is a backslash that escapes the first one behind the block.</param>
    private static ulong EscapedBytes(ulong slashes, out bool runsOn)
    {
        runsOn = false;
        if (slashes == 0)
            return 0;
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

    private static bool IsHex(ReadOnlySpan<byte> digits)
    {
        foreach (var digit in digits)
        {
            if (JsonText.HexValue(digit) < 0)
                return false;
        }
        return true;
    }

    private static uint Controls(Vector256<byte> bytes) =>
        Vector256.LessThan(bytes, Vector256.Create((byte)0x20)).ExtractMostSignificantBits();
}
