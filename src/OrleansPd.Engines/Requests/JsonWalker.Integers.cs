using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OrleansPd.Engines.Requests;

internal ref partial struct JsonWalker
{
    /// <summary>
    /// Skips integers like "12,345, 6," in steps of up to 63 bytes. Token lists are the largest part of a body that has them, and
    /// digit by digit they would cost more than the rest of the request. Moves from the start of one array element to the start
    /// of a later one (or stays). Anything but digits, commas and single spaces after a comma is left to the ordinary walk, so
    /// that nothing is accepted here that it would refuse.
    /// </summary>
    private void SkipIntegerRun()
    {
        if (!Vector256.IsHardwareAccelerated || Position < _noRunBefore)
            return;
        ref var bytes = ref MemoryMarshal.GetReference(_json);
        var at = Position;
        while (at + 64 <= _json.Length)
        {
            var low = Vector256.LoadUnsafe(ref bytes, (nuint)at);
            var high = Vector256.LoadUnsafe(ref bytes, (nuint)at + 32);
            var digits = Digits(low) | (ulong)Digits(high) << 32;
            var commas = Equal(low, (byte)',') | (ulong)Equal(high, (byte)',') << 32;
            var spaces = Equal(low, (byte)' ') | (ulong)Equal(high, (byte)' ') << 32;
            var zeros = Equal(low, (byte)'0') | (ulong)Equal(high, (byte)'0') << 32;

            // The last number may continue after these 64 bytes, so the step ends at its start.
            var starts = digits & ~(digits << 1);
            var step = 63 - BitOperations.LeadingZeroCount(starts);
            var before = (1UL << step) - 1;
            var strange = ~(digits | commas | spaces);
            var strayCommas = commas & ~(digits >> 1 | spaces >> 1 & digits >> 2);
            var straySpaces = spaces & ~(commas << 1);
            var leadingZeros = zeros & starts & digits >> 1;
            if (step <= 0 || ((strange | strayCommas | straySpaces | leadingZeros) & before) != 0)
                break;
            Counts.Numbers += BitOperations.PopCount(starts & before);
            at += step;
        }
        // Text of another form is not tried again for each of its elements.
        _noRunBefore = at + 64;
        Position = at;
    }

    private static uint Digits(Vector256<byte> bytes) =>
        Vector256.LessThanOrEqual(bytes - Vector256.Create((byte)'0'), Vector256.Create((byte)9)).ExtractMostSignificantBits();

    private static uint Equal(Vector256<byte> bytes, byte value) =>
        Vector256.Equals(bytes, Vector256.Create(value)).ExtractMostSignificantBits();
}
