using System.Diagnostics;

namespace OrleansPd.Engines.Requests;

/// <summary>Names of the recorded members, and the lookup of a key of the body.</summary>
internal static class RequestMemberNames
{
    /// <summary>
    /// No recorded name is longer than this many bytes once unescaped; six times that when every letter is escaped.
    /// </summary>
    private const int MaxNameLength = 32;

    private static readonly (RequestMember Member, byte[] Name)[][] ByLength = Table();

    /// <summary>Members that clients may not choose: they are removed.</summary>
    public const ulong NotForClients =
        1UL << (int)RequestMember.BootstrapHost | 1UL << (int)RequestMember.BootstrapPort |
        1UL << (int)RequestMember.BootstrapRoom | 1UL << (int)RequestMember.BootstrapPairKey |
        1UL << (int)RequestMember.DecodeTpSize | 1UL << (int)RequestMember.RoutedDpRank |
        1UL << (int)RequestMember.DisaggPrefillDpRank | 1UL << (int)RequestMember.DataParallelRank;

    public static RequestMember Find(ReadOnlySpan<byte> key, bool escaped)
    {
        if (!escaped)
            return Find(key);
        if (key.Length > MaxNameLength * 6)
            return RequestMember.None;
        Span<byte> plain = stackalloc byte[MaxNameLength * 6];
        return JsonText.TryUnescape(key, plain, out var length) ? Find(plain[..length]) : RequestMember.None;
    }

    public static string Spell(RequestMember member) => member switch
    {
        RequestMember.Model => "model",
        RequestMember.Stream => "stream",
        RequestMember.StreamOptions => "stream_options",
        RequestMember.N => "n",
        RequestMember.Rid => "rid",
        RequestMember.Seed => "seed",
        RequestMember.Priority => "priority",
        RequestMember.Text => "text",
        RequestMember.InputIds => "input_ids",
        RequestMember.InputEmbeds => "input_embeds",
        RequestMember.Prompt => "prompt",
        RequestMember.Messages => "messages",
        RequestMember.SamplingParams => "sampling_params",
        RequestMember.MaxTokens => "max_tokens",
        RequestMember.MaxCompletionTokens => "max_completion_tokens",
        RequestMember.Logprobs => "logprobs",
        RequestMember.TopLogprobs => "top_logprobs",
        RequestMember.ReturnLogprob => "return_logprob",
        RequestMember.LogprobStartLen => "logprob_start_len",
        RequestMember.TopLogprobsNum => "top_logprobs_num",
        RequestMember.TokenIdsLogprob => "token_ids_logprob",
        RequestMember.SessionId => "session_id",
        RequestMember.SessionParams => "session_params",
        RequestMember.User => "user",
        RequestMember.ConversationId => "conversation_id",
        RequestMember.RoutingKey => "routing_key",
        RequestMember.PromptCacheKey => "prompt_cache_key",
        RequestMember.BootstrapHost => "bootstrap_host",
        RequestMember.BootstrapPort => "bootstrap_port",
        RequestMember.BootstrapRoom => "bootstrap_room",
        RequestMember.BootstrapPairKey => "bootstrap_pair_key",
        RequestMember.DecodeTpSize => "decode_tp_size",
        RequestMember.RoutedDpRank => "routed_dp_rank",
        RequestMember.DisaggPrefillDpRank => "disagg_prefill_dp_rank",
        RequestMember.DataParallelRank => "data_parallel_rank",
        RequestMember.LoraPath => "lora_path",
        RequestMember.ImageData => "image_data",
        RequestMember.VideoData => "video_data",
        RequestMember.AudioData => "audio_data",
        RequestMember.CustomLogitProcessor => "custom_logit_processor",
        RequestMember.ReturnHiddenStates => "return_hidden_states",
        RequestMember.ExtraKey => "extra_key",
        RequestMember.CacheSalt => "cache_salt",
        _ => throw new UnreachableException(),
    };

    private static RequestMember Find(ReadOnlySpan<byte> key)
    {
        if (key.Length >= ByLength.Length)
            return RequestMember.None;
        foreach (var (member, name) in ByLength[key.Length])
        {
            if (key.SequenceEqual(name))
                return member;
        }
        return RequestMember.None;
    }

    private static (RequestMember, byte[])[][] Table()
    {
        var names = Enum.GetValues<RequestMember>().Where(member => member != RequestMember.None)
            .Select(member => (Member: member, Name: Encoding.UTF8.GetBytes(Spell(member)))).ToArray();
        return Enumerable.Range(0, names.Max(entry => entry.Name.Length) + 1)
            .Select(length => names.Where(entry => entry.Name.Length == length).ToArray()).ToArray();
    }
}
