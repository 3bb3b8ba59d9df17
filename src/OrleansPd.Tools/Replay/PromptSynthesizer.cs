using System.Globalization;
using System.Text;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Replay;

/// <summary>
/// Prompts for a trace that has none. Each block id stands for the same tokens wherever it appears, so that requests share a
/// prefix exactly where their leading ids are equal.
/// </summary>
internal sealed class PromptSynthesizer(int blockSize, int seed)
{
    /// <summary>Tokens are drawn from these, which every vocabulary has and which are ordinary text in the usual ones.</summary>
    private const int FirstToken = 1000, Tokens = 30000 - FirstToken;

    public int[] Ids(TraceRequest request, int index)
    {
        var ids = new int[request.InputTokens];
        for (var position = 0; position < ids.Length; position++)
        {
            ids[position] = Token(request, index, position);
        }

        return ids;
    }

    /// <summary>Words such as <c>w123</c>, about a token each, with single spaces between them.</summary>
    public string Text(TraceRequest request, int index)
    {
        var text = new StringBuilder(request.InputTokens * 7);
        for (var position = 0; position < request.InputTokens; position++)
        {
            if (position > 0)
            {
                text.Append(' ');
            }

            text.Append('w').Append(CultureInfo.InvariantCulture, $"{Token(request, index, position)}");
        }

        return text.ToString();
    }

    private int Token(TraceRequest request, int index, int position)
    {
        var block = position / blockSize;
        // Where the trace names no block, one that only this request has.
        var id = block < request.Blocks.Length ? request.Blocks[block] : ~(((long)index << 24) + block);
        return FirstToken + (int)(Mix(Mix((ulong)id ^ ((ulong)seed << 48)) + (ulong)(position % blockSize)) % Tokens);
    }

    /// <summary>SplitMix64's finaliser: neighbours in, strangers out.</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
