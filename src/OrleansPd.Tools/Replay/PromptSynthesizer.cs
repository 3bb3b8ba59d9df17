using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Replay;

/// <summary>
/// Prompts for a trace without prompts. A block id always gives the same tokens, so that requests share a prefix exactly if their
/// leading ids are equal.
/// </summary>
internal sealed class PromptSynthesizer(int blockSize, int seed)
{
    /// <summary>The range of token ids; every vocabulary has them, usually as ordinary text.</summary>
    private const int FirstToken = 1000, Tokens = 30000 - FirstToken;

    public int[] Ids(TraceRequest request, int index)
    {
        var ids = new int[request.InputTokens];
        for (var position = 0; position < ids.Length; position++)
            ids[position] = Token(request, index, position);

        return ids;
    }

    /// <summary>Words such as <c>w123</c>, about a token each, with single spaces between them.</summary>
    public string Text(TraceRequest request, int index)
    {
        var text = new StringBuilder(request.InputTokens * 7);
        for (var position = 0; position < request.InputTokens; position++)
        {
            if (position > 0)
                text.Append(' ');

            text.Append('w').Append(CultureInfo.InvariantCulture, $"{Token(request, index, position)}");
        }

        return text.ToString();
    }

    private int Token(TraceRequest request, int index, int position)
    {
        var block = position / blockSize;
        // A block that the trace does not name is unique to this request.
        var id = block < request.Blocks.Length ? request.Blocks[block] : ~(((long)index << 24) + block);
        return FirstToken + (int)(Mix(Mix((ulong)id ^ ((ulong)seed << 48)) + (ulong)(position % blockSize)) % Tokens);
    }

    /// <summary>The finaliser of SplitMix64.</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
