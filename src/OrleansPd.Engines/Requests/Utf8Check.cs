using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text.Unicode;

namespace OrleansPd.Engines.Requests;

/// <summary>
/// Validates UTF-8 at the same speed for all text. The check of .NET is as fast for ASCII, and several times slower for text with
/// scattered other characters, as in prompts.
/// </summary>
/// <remarks>
/// The method of Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte" (2021): three lookups by half bytes
/// give the errors that a pair of adjacent bytes may be part of, and an error found by all three is real; the third and fourth
/// byte of a long character are checked separately.
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
        : Avx512BW.IsSupported ? IsValidInBlocks<Wide, Vector512<byte>>(bytes)
        : Avx2.IsSupported ? IsValidInBlocks<Narrow, Vector256<byte>>(bytes) : Utf8.IsValid(bytes);

    /// <summary>Operations on one register of the processor.</summary>
    internal interface IWidth<T>
        where T : struct
    {
        static abstract int Bytes { get; }

        static abstract Tables<T> Tables { get; }

        static abstract T Load(ref readonly byte first, int at);

        static abstract T Or(T left, T right);

        /// <summary>Whether all are below 0x80.</summary>
        static abstract bool IsAscii(T bytes);

        static abstract bool IsZero(T bytes);

        /// <summary>Not 0 where a character continues after these bytes.</summary>
        static abstract T Unfinished(T bytes);

        /// <summary>Not 0 where a byte is wrong after the preceding ones.</summary>
        static abstract T Mistakes(T bytes, T before, in Tables<T> tables);
    }

    internal static bool IsValidInBlocks<TWidth, T>(ReadOnlySpan<byte> bytes)
        where TWidth : IWidth<T>
        where T : struct
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        // The carried state is in locals, so that it stays in registers.
        T previous = default, incomplete = default, error = default;
        var tables = TWidth.Tables;
        // Four blocks share one branch: text has such characters either everywhere or nearly nowhere, and a mispredicted branch
        // for each block costs more than the check.
        var at = 0;
        for (; at <= bytes.Length - (4 * TWidth.Bytes); at += 4 * TWidth.Bytes)
        {
            var a = TWidth.Load(ref first, at);
            var b = TWidth.Load(ref first, at + TWidth.Bytes);
            var c = TWidth.Load(ref first, at + (2 * TWidth.Bytes));
            var d = TWidth.Load(ref first, at + (3 * TWidth.Bytes));
            if (TWidth.IsAscii(TWidth.Or(TWidth.Or(a, b), TWidth.Or(c, d))))
            {
                error = TWidth.Or(error, incomplete);
                incomplete = default;
            }
            else
            {
                error = TWidth.Or(error, TWidth.Or(
                    TWidth.Or(TWidth.Mistakes(a, previous, tables), TWidth.Mistakes(b, a, tables)),
                    TWidth.Or(TWidth.Mistakes(c, b, tables), TWidth.Mistakes(d, c, tables))));
                incomplete = TWidth.Unfinished(d);
            }
            previous = d;
        }
        for (; at <= bytes.Length - TWidth.Bytes; at += TWidth.Bytes)
        {
            var block = TWidth.Load(ref first, at);
            error = TWidth.Or(error, TWidth.Mistakes(block, previous, tables));
            previous = block;
        }
        // Zeros follow the end: a truncated character is reported as too short.
        Span<byte> rest = stackalloc byte[64];
        rest.Clear();
        bytes[at..].CopyTo(rest);
        error = TWidth.Or(error, TWidth.Mistakes(TWidth.Load(ref MemoryMarshal.GetReference(rest), 0), previous, tables));
        return TWidth.IsZero(error);
    }

    /// <summary>The three lookups.</summary>
    internal readonly struct Tables<T>(T firstHigh, T firstLow, T secondHigh)
    {
        public readonly T FirstHigh = firstHigh;
        public readonly T FirstLow = firstLow;
        public readonly T SecondHigh = secondHigh;
    }

    internal readonly struct Narrow : IWidth<Vector256<byte>>
    {
        public static int Bytes => 32;

        public static Tables<Vector256<byte>> Tables => new(FirstHigh, FirstLow, SecondHigh);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<byte> Load(ref readonly byte first, int at) => Vector256.LoadUnsafe(in first, (nuint)at);

        public static Vector256<byte> Or(Vector256<byte> left, Vector256<byte> right) => left | right;

        public static bool IsAscii(Vector256<byte> bytes) => bytes.ExtractMostSignificantBits() == 0;

        public static bool IsZero(Vector256<byte> bytes) => bytes == Vector256<byte>.Zero;

        public static Vector256<byte> Unfinished(Vector256<byte> bytes) => Avx2.SubtractSaturate(bytes, LastOnes);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<byte> Mistakes(Vector256<byte> bytes, Vector256<byte> before, in Tables<Vector256<byte>> tables)
        {
            var half = Vector256.Create((byte)0x0F);
            var seam = Avx2.Permute2x128(before, bytes, 0x21);
            var previous = Avx2.AlignRight(bytes, seam, 15);
            var pairs = Avx2.Shuffle(tables.FirstHigh, (previous.AsUInt16() >> 4).AsByte() & half)
                & Avx2.Shuffle(tables.FirstLow, previous & half)
                & Avx2.Shuffle(tables.SecondHigh, (bytes.AsUInt16() >> 4).AsByte() & half);
            var third = Avx2.SubtractSaturate(Avx2.AlignRight(bytes, seam, 14), Vector256.Create((byte)(0xE0 - 0x80)));
            var fourth = Avx2.SubtractSaturate(Avx2.AlignRight(bytes, seam, 13), Vector256.Create((byte)(0xF0 - 0x80)));
            // Two continuations in a row are right exactly where a third or fourth byte is expected.
            return ((third | fourth) & Vector256.Create((byte)0x80)) ^ pairs;
        }
    }

    internal readonly struct Wide : IWidth<Vector512<byte>>
    {
        public static int Bytes => 64;

        public static Tables<Vector512<byte>> Tables =>
            new(Vector512.Create(
                FirstHigh, FirstHigh), Vector512.Create(FirstLow, FirstLow), Vector512.Create(SecondHigh, SecondHigh));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<byte> Load(ref readonly byte first, int at) => Vector512.LoadUnsafe(in first, (nuint)at);

        public static Vector512<byte> Or(Vector512<byte> left, Vector512<byte> right) => left | right;

        public static bool IsAscii(Vector512<byte> bytes) => bytes.ExtractMostSignificantBits() == 0;

        public static bool IsZero(Vector512<byte> bytes) => bytes == Vector512<byte>.Zero;

        public static Vector512<byte> Unfinished(Vector512<byte> bytes) =>
            Avx512BW.SubtractSaturate(bytes, Vector512.Create(Vector256<byte>.AllBitsSet, LastOnes));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<byte> Mistakes(Vector512<byte> bytes, Vector512<byte> before, in Tables<Vector512<byte>> tables)
        {
            var half = Vector512.Create((byte)0x0F);
            var seam = Avx512F.AlignRight64(bytes.AsUInt64(), before.AsUInt64(), 6).AsByte();
            var previous = Avx512BW.AlignRight(bytes, seam, 15);
            var pairs = Avx512BW.Shuffle(tables.FirstHigh, (previous.AsUInt16() >> 4).AsByte() & half)
                & Avx512BW.Shuffle(tables.FirstLow, previous & half)
                & Avx512BW.Shuffle(tables.SecondHigh, (bytes.AsUInt16() >> 4).AsByte() & half);
            var third = Avx512BW.SubtractSaturate(Avx512BW.AlignRight(bytes, seam, 14), Vector512.Create((byte)(0xE0 - 0x80)));
            var fourth = Avx512BW.SubtractSaturate(Avx512BW.AlignRight(bytes, seam, 13), Vector512.Create((byte)(0xF0 - 0x80)));
            return ((third | fourth) & Vector512.Create((byte)0x80)) ^ pairs;
        }
    }

    /// <summary>
    /// The largest bytes that may be last, second and third from the end of a block without a character that continues after it.
    /// </summary>
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
        Second | Overlong3 | TooLarge1000 | Overlong4, Second | Overlong3 | TooLarge, Second | Surrogate | TooLarge,
        Second | Surrogate | TooLarge,
        TooShort, TooShort, TooShort, TooShort));

    private static Vector256<byte> Twice(Vector128<byte> half) => Vector256.Create(half, half);
}
