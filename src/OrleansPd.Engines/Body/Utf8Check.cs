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

    public static bool IsValid(ReadOnlySpan<byte> bytes) => bytes.Length < 64 ? Utf8.IsValid(bytes)
        : Avx512BW.IsSupported ? IsValidInWideBlocks(bytes)
        : Avx2.IsSupported ? IsValidInBlocks(bytes) : Utf8.IsValid(bytes);

    /// <summary>As <see cref="IsValidInBlocks"/>, in half as many steps.</summary>
    internal static bool IsValidInWideBlocks(ReadOnlySpan<byte> bytes)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        Vector512<byte> previous = default, incomplete = default, error = default;
        Vector512<byte> firstHigh = Vector512.Create(FirstHigh, FirstHigh), firstLow = Vector512.Create(FirstLow, FirstLow);
        var secondHigh = Vector512.Create(SecondHigh, SecondHigh);
        var lastOnes = Vector512.Create(Vector256<byte>.AllBitsSet, LastOnes);
        // Four blocks are looked at in common: text either has such characters everywhere or nearly nowhere, and to guess wrong at each
        // block whether it has one costs more than the check.
        var at = 0;
        for (; at <= bytes.Length - 256; at += 256)
        {
            var a = Vector512.LoadUnsafe(ref first, (nuint)at);
            var b = Vector512.LoadUnsafe(ref first, (nuint)at + 64);
            var c = Vector512.LoadUnsafe(ref first, (nuint)at + 128);
            var d = Vector512.LoadUnsafe(ref first, (nuint)at + 192);
            if ((a | b | c | d).ExtractMostSignificantBits() == 0)
            {
                error |= incomplete;
                incomplete = default;
            }
            else
            {
                error |= Mistakes(a, previous, firstHigh, firstLow, secondHigh) | Mistakes(b, a, firstHigh, firstLow, secondHigh)
                    | Mistakes(c, b, firstHigh, firstLow, secondHigh) | Mistakes(d, c, firstHigh, firstLow, secondHigh);
                incomplete = Avx512BW.SubtractSaturate(d, lastOnes);
            }
            previous = d;
        }
        for (; at <= bytes.Length - 64; at += 64)
        {
            var block = Vector512.LoadUnsafe(ref first, (nuint)at);
            error |= Mistakes(block, previous, firstHigh, firstLow, secondHigh);
            previous = block;
        }

        // Behind the end stand zeros: a character that is cut off there is too short.
        Span<byte> rest = stackalloc byte[64];
        rest.Clear();
        bytes[at..].CopyTo(rest);
        error |= Mistakes(Vector512.Create((ReadOnlySpan<byte>)rest), previous, firstHigh, firstLow, secondHigh);
        return error == Vector512<byte>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Mistakes(
        Vector512<byte> bytes, Vector512<byte> before, Vector512<byte> firstHigh, Vector512<byte> firstLow, Vector512<byte> secondHigh)
    {
        var half = Vector512.Create((byte)0x0F);
        var seam = Avx512F.AlignRight64(bytes.AsUInt64(), before.AsUInt64(), 6).AsByte();
        var previous = Avx512BW.AlignRight(bytes, seam, 15);
        var pairs = Avx512BW.Shuffle(firstHigh, (previous.AsUInt16() >> 4).AsByte() & half)
            & Avx512BW.Shuffle(firstLow, previous & half)
            & Avx512BW.Shuffle(secondHigh, (bytes.AsUInt16() >> 4).AsByte() & half);
        var third = Avx512BW.SubtractSaturate(Avx512BW.AlignRight(bytes, seam, 14), Vector512.Create((byte)(0xE0 - 0x80)));
        var fourth = Avx512BW.SubtractSaturate(Avx512BW.AlignRight(bytes, seam, 13), Vector512.Create((byte)(0xF0 - 0x80)));
        return ((third | fourth) & Vector512.Create((byte)0x80)) ^ pairs;
    }

    internal static bool IsValidInBlocks(ReadOnlySpan<byte> bytes)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        // All that is carried is in locals, so that it stays in registers.
        Vector256<byte> previous = default, incomplete = default, error = default;
        Vector256<byte> firstHigh = FirstHigh, firstLow = FirstLow, secondHigh = SecondHigh, lastOnes = LastOnes;
        var at = 0;
        for (; at <= bytes.Length - 128; at += 128)
        {
            var a = Vector256.LoadUnsafe(ref first, (nuint)at);
            var b = Vector256.LoadUnsafe(ref first, (nuint)at + 32);
            var c = Vector256.LoadUnsafe(ref first, (nuint)at + 64);
            var d = Vector256.LoadUnsafe(ref first, (nuint)at + 96);
            if ((a | b | c | d).ExtractMostSignificantBits() == 0)
            {
                error |= incomplete;
                incomplete = default;
            }
            else
            {
                error |= Mistakes(a, previous, firstHigh, firstLow, secondHigh) | Mistakes(b, a, firstHigh, firstLow, secondHigh)
                    | Mistakes(c, b, firstHigh, firstLow, secondHigh) | Mistakes(d, c, firstHigh, firstLow, secondHigh);
                incomplete = Avx2.SubtractSaturate(d, lastOnes);
            }
            previous = d;
        }
        for (; at <= bytes.Length - 32; at += 32)
        {
            var block = Vector256.LoadUnsafe(ref first, (nuint)at);
            error |= Mistakes(block, previous, firstHigh, firstLow, secondHigh);
            previous = block;
        }

        // Behind the end stand zeros: a character that is cut off there is too short.
        Span<byte> rest = stackalloc byte[32];
        rest.Clear();
        bytes[at..].CopyTo(rest);
        error |= Mistakes(Vector256.Create((ReadOnlySpan<byte>)rest), previous, firstHigh, firstLow, secondHigh);
        return error == Vector256<byte>.Zero;
    }

    /// <summary>Not 0 where a byte is wrong behind the ones before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Mistakes(
        Vector256<byte> bytes, Vector256<byte> before, Vector256<byte> firstHigh, Vector256<byte> firstLow, Vector256<byte> secondHigh)
    {
        var seam = Avx2.Permute2x128(before, bytes, 0x21);
        var previous = Avx2.AlignRight(bytes, seam, 15);
        var pairs = Avx2.Shuffle(firstHigh, HighHalf(previous))
            & Avx2.Shuffle(firstLow, previous & Vector256.Create((byte)0x0F))
            & Avx2.Shuffle(secondHigh, HighHalf(bytes));
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
