-- Chains of layers are made of the layers' blobs, which a repository holds, and no longer of the unpacked contents that a configuration
-- claims: they are derived once more. The chain that an image had stays until then, so that the moves of its tags find the new one.
DELETE FROM image_layers;
UPDATE manifests SET layered = FALSE WHERE kind = 'image';
