using System.Buffers.Binary;

namespace OrleansPd.Simulator.Transport;

/// <summary>The bytes of one block: its state, then filler that is a function of it.</summary>
internal static class KvBlock
{
    public static int Size(int wireBytesPerToken) => KvState.BlockTokens * Math.Clamp(wireBytesPerToken, 8, 4096) / 8 * 8;

    public static void Write(Span<byte> block, ulong state)
    {
        for (var at = 0; at < block.Length; at += 8)
            BinaryPrimitives.WriteUInt64LittleEndian(block[at..], at == 0 ? state : Mixing.Scramble(state + (ulong)at));
    }

    /// <summary>
    /// The state that the bytes encode. Altered filler gives another state, as altered KV gives other attention.
    /// </summary>
    public static ulong Read(ReadOnlySpan<byte> block)
    {
        var state = BinaryPrimitives.ReadUInt64LittleEndian(block);
        var difference = 0UL;
        for (var at = 8; at < block.Length; at += 8)
            difference |= BinaryPrimitives.ReadUInt64LittleEndian(block[at..]) ^ Mixing.Scramble(state + (ulong)at);
        return difference == 0 ? state : Mixing.Fold(state, difference);
    }
}
