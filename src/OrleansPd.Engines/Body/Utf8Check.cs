using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text.Unicode;

namespace OrleansPd.Engines.Body;

/// <summary>
/// Whether bytes are UTF-8, at one speed whatever the text: the check of .NET is as fast where all is ASCII, and several times slower
/// where other characters are scattered in it, as they are in prompts.
/// </summary>
/// <remarks>
/// The method of Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte" (2021): three lookups by half bytes tell
/// which mistakes a pair of neighbours may be part of, and what all three agree on is one; that the third and fourth byte of a long
/// character are continuations is checked apart.
/// </remarks>
internal static class Utf8Check
{
    private const byte TooShort = 1 << 0;
    private const byte TooLong = 1 << 1;
    private const byte Overlong3 = 1 << 2;
    private const byte TooLarge = 1 << 3;
    private const byte Surrogate = 1 << 4;
    private const byte Overlong2 = 1 << 5;
    private const byte TooLarge1000 = 1 << 6;
    private const byte Overlong4 = 1 << 6;
    private const byte TwoContinuations = 1 << 7;
    private const byte Carry = TooShort | TooLong | TwoContinuations;
    private const byte Low5 = Carry | TooLarge | TooLarge1000;
    private const byte Second = TooLong | Overlong2 | TwoContinuations;

    public static bool IsValid(ReadOnlySpan<byte> bytes) =>
        Avx2.IsSupported && bytes.Length >= 64 ? IsValidInBlocks(bytes) : Utf8.IsValid(bytes);

    private static bool IsValidInBlocks(ReadOnlySpan<byte> bytes)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        // All that is carried is in locals, so that it stays in registers.
        Vector256<byte> previous = default, incomplete = default, error = default;
        var whole = bytes.Length & ~63;
        for (var at = 0; at < whole; at += 64)
        {
            var low = Vector256.LoadUnsafe(ref first, (nuint)at);
            var high = Vector256.LoadUnsafe(ref first, (nuint)at + 32);
            if ((low | high).ExtractMostSignificantBits() == 0)
            {
                error |= incomplete;
                incomplete = default;
            }
            else
            {
                error |= Mistakes(low, previous) | Mistakes(high, low);
                incomplete = Avx2.SubtractSaturate(high, LastOnes);
            }
            previous = high;
        }

        // Behind the end stand zeros: a character that is cut off there is too short.
        Span<byte> rest = stackalloc byte[64];
        rest.Clear();
        bytes[whole..].CopyTo(rest);
        var last = Vector256.Create((ReadOnlySpan<byte>)rest);
        error |= Mistakes(last, previous) | Mistakes(Vector256.Create((ReadOnlySpan<byte>)rest[32..]), last);
        return error == Vector256<byte>.Zero;
    }

    /// <summary>Not 0 where a byte is wrong behind the ones before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Mistakes(Vector256<byte> bytes, Vector256<byte> before)
    {
        var seam = Avx2.Permute2x128(before, bytes, 0x21);
        var previous = Avx2.AlignRight(bytes, seam, 15);
        var pairs = Avx2.Shuffle(FirstHigh, HighHalf(previous))
            & Avx2.Shuffle(FirstLow, previous & Vector256.Create((byte)0x0F))
            & Avx2.Shuffle(SecondHigh, HighHalf(bytes));
        var third = Avx2.SubtractSaturate(Avx2.AlignRight(bytes, seam, 14), Vector256.Create((byte)(0xE0 - 0x80)));
        var fourth = Avx2.SubtractSaturate(Avx2.AlignRight(bytes, seam, 13), Vector256.Create((byte)(0xF0 - 0x80)));
        // Two continuations in a row are right exactly where a third or fourth byte is due.
        return ((third | fourth) & Vector256.Create((byte)0x80)) ^ pairs;
    }

    private static Vector256<byte> HighHalf(Vector256<byte> bytes) => (bytes.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)0x0F);

    /// <summary>The largest bytes that may stand last, second and third from the end of a block without a character going on behind it.</summary>
    private static Vector256<byte> LastOnes => Vector256.Create(
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0xF0 - 1, 0xE0 - 1, 0xC0 - 1);

    private static Vector256<byte> FirstHigh => Twice(Vector128.Create(
        TooLong, TooLong, TooLong, TooLong, TooLong, TooLong, TooLong, TooLong,
        TwoContinuations, TwoContinuations, TwoContinuations, TwoContinuations,
        TooShort | Overlong2, TooShort, TooShort | Overlong3 | Surrogate, TooShort | TooLarge | TooLarge1000 | Overlong4));

    private static Vector256<byte> FirstLow => Twice(Vector128.Create(
        Carry | Overlong3 | Overlong2 | Overlong4, Carry | Overlong2, Carry, Carry,
        Carry | TooLarge, Low5, Low5, Low5, Low5, Low5, Low5, Low5, Low5, Low5 | Surrogate, Low5, Low5));

    private static Vector256<byte> SecondHigh => Twice(Vector128.Create(
        TooShort, TooShort, TooShort, TooShort, TooShort, TooShort, TooShort, TooShort,
        Second | Overlong3 | TooLarge1000 | Overlong4, Second | Overlong3 | TooLarge, Second | Surrogate | TooLarge, Second | Surrogate | TooLarge,
        TooShort, TooShort, TooShort, TooShort));

    private static Vector256<byte> Twice(Vector128<byte> half) => Vector256.Create(half, half);
}
