namespace OrleansPd.Simulator.Model;

/// <summary>A prompt and the results of its forward pass: the final state, the block states to transfer, the page keys.</summary>
internal sealed class Prompt
{
    private Prompt(int[] tokens, KvState state, ulong[] blocks)
    {
        Tokens = tokens;
        State = state;
        Blocks = blocks;
    }

    public int[] Tokens { get; }
    public KvState State { get; }
    public ulong[] Blocks { get; }

    public static Prompt Forward(int[] tokens)
    {
        var state = new KvState();
        var blocks = new ulong[KvState.BlocksOf(tokens.Length)];
        for (var i = 0; i < tokens.Length; i++)
        {
            state.Append(tokens[i]);
            blocks[i / KvState.BlockTokens] = state.Chain;
        }
        return new Prompt(tokens, state, blocks);
    }

    /// <summary>One key per full page of <paramref name="tokens"/>, each standing for the page and all before it.</summary>
    public static List<ulong> PageKeys(ReadOnlySpan<int> tokens, int pageSize, ulong salt)
    {
        var keys = new List<ulong>(tokens.Length / pageSize);
        var key = salt;
        for (var i = 0; i < tokens.Length; i++)
        {
            key = Mixing.Fold(key, (uint)tokens[i]);
            if ((i + 1) % pageSize == 0)
                keys.Add(key);
        }
        return keys;
    }
}
