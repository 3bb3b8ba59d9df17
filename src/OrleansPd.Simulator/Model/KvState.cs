namespace OrleansPd.Simulator.Model;

/// <summary>
/// What the model remembers of the tokens so far. <see cref="Chain"/> and <see cref="Memory"/> are the KV cache: they
/// exist only where a forward pass ran, and travel from prefill to decode block by block. <see cref="Ids"/> is read from the
/// token ids themselves, as a repetition penalty would be, so each engine makes its own. The next token depends on all three:
/// another prompt on one leg, a lost block or a neighbour's blocks give another text.
/// </summary>
internal struct KvState
{
    /// <summary>
    /// Tokens in one block of a KV transfer. Fixed, so that engines with different page sizes generate the same text.
    /// </summary>
    public const int BlockTokens = 64;

    public ulong Chain;
    public ulong Memory;
    public ulong Ids;
    public int Count;

    public static int BlocksOf(int tokens) => (tokens + BlockTokens - 1) / BlockTokens;

    public void Append(int token)
    {
        Chain = Mixing.Fold(Chain, (uint)token);
        Ids = Mixing.Scramble(Ids + (uint)token * 0x2545f4914f6cdd1dUL + 1);
        if (++Count % BlockTokens == 0)
            Memory = Mixing.Fold(Memory, Chain);
    }

    /// <summary>
    /// The state as an engine has it that ran no forward pass: ids known, cache taken from <paramref name="blocks"/>.
    /// </summary>
    public static KvState FromBlocks(ReadOnlySpan<ulong> blocks, ReadOnlySpan<int> prompt)
    {
        var state = new KvState();
        foreach (var token in prompt)
            state.Append(token);
        state.Memory = 0;
        for (var i = 0; i < prompt.Length / BlockTokens; i++)
            state.Memory = Mixing.Fold(state.Memory, blocks[i]);
        state.Chain = blocks[^1];
        return state;
    }

    public readonly ulong Random(ulong seed) => Mixing.Fold(Mixing.Fold(Memory, Chain), Ids ^ Mixing.Scramble(seed));
}
