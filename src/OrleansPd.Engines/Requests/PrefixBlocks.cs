using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.Intrinsics.X86;

namespace OrleansPd.Engines.Requests;

/// <summary>
/// Fingerprints of a prompt's beginning: one 64-bit hash for each full block of raw bytes, each depending on all blocks before
/// it, so that two prompts share hash i exactly if (but for collisions) their first i + 1 blocks are equal. Stable across
/// processes and machines: routers may exchange them. Not secure against forged collisions: they only cost cache hits.
/// </summary>
/// <remarks>
/// The bytes are those of the raw JSON: equal texts with different escapes count as different. Whitespace between token
/// ids is skipped. Of a batch the first prompt counts. A last block that is not full is not counted, so a prompt shorter
/// than one block has none.
/// </remarks>
public static class PrefixBlocks
{
    private const ulong SeedText = 0x9E3779B97F4A7C15;
    private const ulong SeedIds = 0xC2B2AE3D27D4EB4F;
    private const ulong SeedMessages = 0x165667B19E3779F9;
    private const ulong SeedEmbeds = 0x27D4EB2F165667C5;
    private const ulong Mix0 = 0xA0761D6478BD642F;
    private const ulong Mix1 = 0xE7037ED1A0B428DB;
    private const ulong Mix2 = 0x8EBC6AF09C88C6E3;
    private const ulong Mix3 = 0x589965CC75374CC3;

    /// <summary>Computes the hashes of the leading blocks.</summary>
    /// <param name="body">The bytes that were scanned.</param>
    /// <param name="shape">What the scan found.</param>
    /// <param name="blockBytes">Bytes in a block: a multiple of 32, from 32 to 65536.</param>
    /// <param name="hashes">Receives the hashes; its length is the maximum number of blocks.</param>
    /// <returns>Number of hashes written.</returns>
    public static int Compute(ReadOnlySpan<byte> body, RequestShape shape, int blockBytes, Span<ulong> hashes)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (blockBytes is < 32 or > 65536 || blockBytes % 32 != 0)
            throw new ArgumentOutOfRangeException(nameof(blockBytes), blockBytes, "A multiple of 32, from 32 to 65536.");
        var prompt = shape.PromptItems is { Length: > 0 } items ? items[0] : shape.Prompt;
        if (prompt.Length < 2)
            return 0;
        // Without the quotes or brackets: a longer prompt continues at the closing one.
        var bytes = prompt.Of(body)[1..^1];
        var seed = shape.PromptKind switch
        {
            PromptKind.Text or PromptKind.TextList => SeedText,
            PromptKind.Ids or PromptKind.IdsList => SeedIds,
            PromptKind.Messages => SeedMessages,
            _ => SeedEmbeds,
        };
        return seed == SeedIds && bytes.ContainsAny(" \t\r\n"u8)
            ? WithoutWhitespace(bytes, seed, blockBytes, hashes)
            : Chain(bytes, seed, blockBytes, hashes);
    }

    private static int Chain(ReadOnlySpan<byte> bytes, ulong seed, int blockBytes, Span<ulong> hashes)
    {
        var count = Math.Min(bytes.Length / blockBytes, hashes.Length);
        for (var at = 0; at < count; at++)
            hashes[at] = seed = Block(bytes.Slice(at * blockBytes, blockBytes), seed);
        return count;
    }

    private static int WithoutWhitespace(ReadOnlySpan<byte> bytes, ulong seed, int blockBytes, Span<ulong> hashes)
    {
        // Space after a block for bytes that are stored with its last ones; they begin the next block.
        var block = blockBytes <= 1024 ? stackalloc byte[blockBytes + 8] : new byte[blockBytes + 8];
        int count = 0, filled = 0;
        while (!bytes.IsEmpty && count < hashes.Length)
        {
            filled += Squeeze(ref bytes, block[filled..]);
            if (filled < blockBytes)
                continue;
            hashes[count++] = seed = Block(block[..blockBytes], seed);
            block[blockBytes..filled].CopyTo(block);
            filled -= blockBytes;
        }
        return count;
    }

    /// <summary>Moves the next one or eight bytes without their whitespace; up to eight bytes are written.</summary>
    private static int Squeeze(ref ReadOnlySpan<byte> bytes, scoped Span<byte> target)
    {
        if (Bmi2.X64.IsSupported && bytes.Length >= 8)
        {
            var word = Word(bytes, 0);
            bytes = bytes[8..];
            // 0x80 in each byte above a space; in valid JSON no byte between tokens is above 0x7F.
            var kept = ((word & 0x7F7F7F7F7F7F7F7F) + 0x5F5F5F5F5F5F5F5F) & 0x8080808080808080;
            BinaryPrimitives.WriteUInt64LittleEndian(target, Bmi2.X64.ParallelBitExtract(word, (kept >> 7) * 0xFF));
            return BitOperations.PopCount(kept);
        }
        target[0] = bytes[0];
        var length = bytes[0] > (byte)' ' ? 1 : 0;
        bytes = bytes[1..];
        return length;
    }

    /// <summary>
    /// Two independent lanes of multiply-and-fold, 32 bytes a step, combined with the hash of the blocks before.
    /// </summary>
    private static ulong Block(ReadOnlySpan<byte> block, ulong seed)
    {
        ulong left = seed ^ Mix0, right = seed ^ Mix1;
        for (; block.Length >= 32; block = block[32..])
        {
            left = Fold(Word(block, 0) ^ Mix1, Word(block, 8) ^ left);
            right = Fold(Word(block, 16) ^ Mix2, Word(block, 24) ^ right);
        }
        return Fold(left ^ Mix3, right ^ BitOperations.RotateLeft(seed, 32) ^ Mix0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong a, ulong b)
    {
        var high = Math.BigMul(a, b, out var low);
        return high ^ low;
    }
}
