namespace OrleansPd.Engines.Requests;

/// <summary>The kind of value of the prompt member that engines use.</summary>
public enum PromptKind : byte
{
    /// <summary>Nothing scanned yet.</summary>
    None,

    /// <summary>One string.</summary>
    Text,

    /// <summary>A list of strings: a batch, even of one.</summary>
    TextList,

    /// <summary>One list of token ids.</summary>
    Ids,

    /// <summary>A list of lists of token ids: a batch.</summary>
    IdsList,

    /// <summary>Chat messages.</summary>
    Messages,

    /// <summary>One matrix of embeddings.</summary>
    Embeds,

    /// <summary>A list of matrices: a batch.</summary>
    EmbedsList,
}
