namespace OrleansPd.Testing;

/// <summary>
/// Requests whose prompts share a system prompt within their group, in the shape of SGLang's <c>generated-shared-prefix</c>
/// data set: each prompt is the group's system prompt and a question of its own. The order is shuffled by the seed.
/// </summary>
public sealed record SharedPrefixWorkload
{
    /// <summary>Groups of requests, 1 or more. Default 16.</summary>
    public int Groups { get; init; } = 16;

    /// <summary>Requests of a group, the hot one apart. Default 32.</summary>
    public int RequestsPerGroup { get; init; } = 32;

    /// <summary>Tokens that all prompts of a group begin with. Default 4096.</summary>
    public int SystemTokens { get; init; } = 4096;

    /// <summary>Tokens that no other prompt has. Default 128.</summary>
    public int QuestionTokens { get; init; } = 128;

    /// <summary>Tokens of an answer. Default 256.</summary>
    public int AnswerTokens { get; init; } = 256;

    /// <summary>Requests open at once; the next is sent when one has ended. Default 64.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>
    /// Share of all requests that are the first group's, 0 to 0.99; the number of requests stays. 0 = as many as any other
    /// group's. Default 0.
    /// </summary>
    public double HotShare { get; init; }

    public int Seed { get; init; } = 1;

    public int Count => Groups * RequestsPerGroup;

    public int PromptTokens => SystemTokens + QuestionTokens;

    /// <summary>The group of each request, in the order in which they are sent.</summary>
    public int[] Order()
    {
        var order = new int[Count];
        var hot = HotShare > 0 ? (int)Math.Round(HotShare * Count) : RequestsPerGroup;
        for (var i = 0; i < Count; i++)
            order[i] = i < hot ? 0 : Groups == 1 ? 0 : 1 + ((i - hot) % (Groups - 1));
        new Random(Seed).Shuffle(order);
        return order;
    }

    /// <summary>Token ids of a request's prompt, in the range of every usual vocabulary.</summary>
    public int[] Prompt(int index, int group)
    {
        var tokens = new int[PromptTokens];
        for (var i = 0; i < tokens.Length; i++)
        {
            var word = i < SystemTokens ? (ulong)(((long)group << 32) + i) : (ulong)(((long)(index + 1) << 44) + i);
            tokens[i] = 1000 + (int)(Mix(word ^ ((ulong)Seed << 56)) % 29_000);
        }
        return tokens;
    }

    /// <summary>Chained hashes of the prompt's blocks of that many tokens.</summary>
    public ulong[] Blocks(int index, int group, int blockTokens)
    {
        var blocks = new ulong[PromptTokens / blockTokens];
        for (var i = 0; i < blocks.Length; i++)
        {
            blocks[i] = (i + 1) * blockTokens <= SystemTokens
                ? Mix(((ulong)(group + 1) << 32) + (ulong)i)
                : Mix(((ulong)(index + 1) << 44) + (ulong)i);
        }
        return blocks;
    }

    private static ulong Mix(ulong x)
    {
        x += 0x9E37_79B9_7F4A_7C15UL;
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EBUL;
        return x ^ (x >> 31);
    }
}
